export { userFollowed, userUnfollowed } from "./events.ts";
export { followedAmong, followedIds, followerIds } from "./follows.ts";
export { createProfile, findAccount, knownUser, readPeople } from "./profile.ts";
export { router } from "./router.ts";
