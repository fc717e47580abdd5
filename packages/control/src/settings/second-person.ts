// What needs two: protected keys, changes that are proposed, and broken glass that is looked at afterwards.

import { z } from "zod";
import { instant, kept, settingKey } from "./key-and-provenance.ts";
import { switchChange } from "./switches.ts";

/** Turning on what is below this key needs a second person. */
export const protectionSetting = kept({});

export const proposalSetting = kept({
  key: settingKey,
  /** Null: to take the protection away. */
  change: switchChange.nullable(),
  expires: instant.nullable().default(null),
  /** Of what is proposed: whoever approves says which content he means. */
  hash: z.string(),
  /** What the key was at when it was proposed. */
  base: z.number().int().min(0),
});
/** Glass was broken: somebody has to look at it by then. */
export const reviewSetting = kept({ key: settingKey, dueAt: instant });

export type ProtectionSetting = z.output<typeof protectionSetting>;
export type ProposalSetting = z.output<typeof proposalSetting>;
export type ReviewSetting = z.output<typeof reviewSetting>;
