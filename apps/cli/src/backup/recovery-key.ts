// What the keys in a backup are sealed under. Made once; a person keeps a copy of it apart.
import { randomBytes } from "node:crypto";

export const newRecoveryKey = () => `sbr_${randomBytes(32).toString("base64url")}`;
