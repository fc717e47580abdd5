export * from "./client.ts";
export * from "./faults.ts";
export * as tables from "./schema/index.ts";
