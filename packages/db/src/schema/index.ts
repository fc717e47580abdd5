export * from "./auth.ts";
export * from "./control.ts";
export * from "./feed.ts";
export * from "./idempotency.ts";
export * from "./outbox.ts";
export * from "./personal.ts";
export * from "./users.ts";
