export { userCreated } from "./events.ts";
export { jobs } from "./jobs.ts";
export { signingKeys } from "./keys.ts";
export { confirmPassword } from "./password.ts";
export { defaultPasswordCost } from "./passwords.ts";
export { createRevocations, type Revocations } from "./revocations.ts";
export { router } from "./router.ts";
export { createAccessVerifier } from "./tokens.ts";
