export { markOf, requireApplication } from "./flags.ts";
export { evaluateAll, evaluateOne, type OfrepAnswer } from "./ofrep.ts";
export { createSwitchRouter } from "./router.ts";
export { openStreamToken, streamPath } from "./stream.ts";
