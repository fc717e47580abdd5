// What a person is called where there is room for one name: somebody who left has none but the id.

import type { UserItem } from "@signalbox/modules/moderation/schema";

export const nameOf = ({ handle, id }: Pick<UserItem, "handle" | "id">) => (handle ? `@${handle}` : id);
