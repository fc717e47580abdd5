export { forgetHandles } from "./cached.ts";
export {
  userBlocked,
  userFollowed,
  userMuted,
  userUnblocked,
  userUnfollowed,
  userUnmuted,
  userUpdated,
} from "./events.ts";
export {
  countFollowers,
  everyNthFollower,
  firstFollowers,
  firstFollowersSize,
  followedAmong,
  followedIds,
  followerIds,
  followersAfter,
  knownFollowed,
} from "./follows.ts";
export { handleTaken } from "./handles.ts";
export { jobs } from "./jobs.ts";
export {
  type Account,
  accountBy,
  findAccount,
  idsOfHandles,
  knownUser,
  listPeople,
  newProfile,
  readPeople,
  readPerson,
} from "./profile.ts";
export { readModels } from "./read-models.ts";
export { requireServed } from "./region.ts";
export { blockedAmong, mutedAmong } from "./relations.ts";
export { router } from "./router.ts";
export { userIdsAfter, userIdsByStart } from "./search.ts";
