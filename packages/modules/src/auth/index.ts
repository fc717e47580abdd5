export { userCreated } from "./events.ts";
export { signingKeys } from "./keys.ts";
export { createRevocations, type Revocations } from "./revocations.ts";
export { router } from "./router.ts";
export { createAccessVerifier } from "./tokens.ts";
