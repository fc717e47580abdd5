// What a case is called: the thing that was reported, and whose it is.

import type { CaseItem } from "@signalbox/modules/moderation/schema";

export const titleOf = ({ subject, owner }: CaseItem) =>
  `${subject.kind === "post" ? "A post" : "The account"} of ${owner?.handle ? `@${owner.handle}` : "someone who left"}`;
