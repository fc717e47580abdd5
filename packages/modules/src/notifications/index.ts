export { jobs } from "./jobs.ts";
export { router } from "./router.ts";
