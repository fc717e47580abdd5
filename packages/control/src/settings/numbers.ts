// Numbers by which modules decide.

import { z } from "zod";
import { provenance } from "./key-and-provenance.ts";

const numberLayer = z.object({ value: z.number(), ...provenance });
export const numberSetting = numberLayer.extend({ afterwards: z.array(numberLayer).default([]) });

/** Numbers by which modules decide, each with what it is unless an operator says otherwise. */
export const knownNumbers = {
  "auth.secondFactor": {
    preset: 0,
    min: 0,
    max: 2,
    text: "who must have a second factor to sign in and to stay signed in; 0: nobody, 1: moderators, 2: everyone",
  },
  "database.replicaLagMs": {
    preset: 1_000,
    min: 0,
    // A page that was read on a copy tolerates what comes in late for five seconds, and clocks differ too.
    max: 3_000,
    text: "a copy of the database that is further behind, in milliseconds, is not read from; 0: none is",
  },
  "canaries.slotDays": {
    preset: 30,
    min: 1,
    max: 3_650,
    text: "days for which the counts of a canary that is over are kept; its decisions stay, each with its evidence",
  },
  "feed.pullAbove": {
    preset: 10_000,
    min: 1,
    max: 1_000_000_000,
    text: "with more followers than this an author's posts are not pushed to timelines but fetched by who reads",
  },
  "feed.spreadAbove": {
    preset: 5_000,
    min: 1,
    max: 1_000_000,
    text: "with more followers than this a post that is pushed is brought to them in jobs on the queue feed.timeline.spread, by all workers",
  },
  "feed.timelineEntries": {
    preset: 800,
    min: 1,
    max: 5_000,
    text: "posts that a home timeline holds; older ones are read from the database",
  },
  "feed.writeQueue": {
    preset: 0,
    min: 0,
    max: 1_000_000,
    text: "posts that an instance writes down on its disk while the database is away, answered with 202; 0: they are refused with 503",
  },
  "live.perUser": {
    preset: 5,
    min: 1,
    max: 1_000,
    text: "live streams that one user has at once on an instance; one more ends the oldest",
  },
  "live.perInstance": {
    preset: 10_000,
    min: 0,
    max: 1_000_000,
    text: "live streams that one instance holds; more are refused, and told to come back",
  },
} as const;

export type NumberKey = keyof typeof knownNumbers;
export type NumberSetting = z.output<typeof numberSetting>;
export type NumberLayer = z.output<typeof numberLayer>;
