// What operators send and read. Pure, so that console forms use the same rules as the server.

export { switchedOff } from "@signalbox/control/refusal";
export * from "./schema/caches.ts";
export * from "./schema/load.ts";
export * from "./schema/log.ts";
export * from "./schema/numbers.ts";
export * from "./schema/schedules.ts";
export * from "./schema/second-person.ts";
export * from "./schema/session.ts";
export { ActorShape, Changed, Confirmations, OperatorPage } from "./schema/shape-parts.ts";
export * from "./schema/signals.ts";
export * from "./schema/switches.ts";
