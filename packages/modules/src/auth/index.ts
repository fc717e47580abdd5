export {
  type AccountState,
  changeRole,
  listAccountStates,
  readAccountState,
  readAccountStates,
  restoreAccount,
  suspendAccount,
  userIdByEmail,
  userIdByPhone,
} from "./accounts.ts";
export { byOf, listActivity } from "./activity.ts";
export {
  createApplication,
  createApplicationReader,
  createOriginReader,
  isAllowed,
  listApplications,
  revokeApplication,
} from "./applications.ts";
export { confirmPassword } from "./confirm.ts";
export { userCreated } from "./events.ts";
export { jobs, work } from "./jobs.ts";
export { listKeys, rotateKeys, signingKeys } from "./keys.ts";
export { defaultPasswordCost } from "./passwords.ts";
export { createRevocations, type Revocations } from "./revocations.ts";
export { router } from "./router.ts";
export { endSessions, listSessionsOf } from "./sessions.ts";
export { createAccessVerifier } from "./tokens.ts";
