export { readArchive } from "./archive.ts";
export { userDeleted } from "./events.ts";
export { holdings } from "./holdings.ts";
export { work } from "./retention.ts";
export { router } from "./router.ts";
export { runNextRequest } from "./runner.ts";
export { findTraces } from "./traces.ts";
