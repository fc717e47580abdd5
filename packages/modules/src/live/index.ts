export { liveSources } from "./sources.ts";
export { createStreams, type LiveEvent } from "./streams.ts";
