export { continueRun } from "./runs.ts";
