export { postCreated, postDeleted, postLiked, postReposted, postUnliked, postUnreposted } from "./events.ts";
export { jobs, work } from "./jobs.ts";
export { postsByIds, removePost } from "./posts.ts";
export { readModels } from "./read-models.ts";
export { router } from "./router.ts";
