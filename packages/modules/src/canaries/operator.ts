// What operators do about canaries, and when there are to be none.

import { templates } from "@signalbox/control/canary/rules";
import type { TRPCRouterRecord } from "@trpc/server";
import { Changed, OperatorPage } from "../control/schema.ts";
import { operatorProcedure } from "../trpc.ts";
import { changeCanary, createCanary, listCanaries, previewCanary, readCanary } from "./canaries.ts";
import { readCourse } from "./course.ts";
import { changeFreeze, listFreezes, takeFreeze } from "./freezes.ts";
import {
  ActOnCanary,
  ByCanary,
  CanaryCourse,
  CanaryList,
  CanaryQuery,
  CanaryStory,
  ChangedCanary,
  CourseQuery,
  Estimate,
  ExtendCanary,
  FreezeList,
  PreviewCanary,
  RemoveFreeze,
  SetFreeze,
  StartCanary,
  TemplateList,
} from "./schema.ts";

const act = (name: Exclude<Parameters<typeof changeCanary>[2], "extend">, summary: string) =>
  operatorProcedure
    .meta({ rest: `POST /canaries/{id}/${name}`, role: "operator", summary })
    .input(ActOnCanary)
    .output(ChangedCanary)
    .mutation(({ ctx, input }) => changeCanary(ctx, input, name));

export const operatorCanaries = {
  canaries: {
    list: operatorProcedure
      .meta({ rest: "GET /canaries", summary: "Every canary, newest first, and how it stands" })
      .input(CanaryQuery)
      .output(CanaryList)
      .query(({ ctx, input }) => listCanaries(ctx, input)),
    create: operatorProcedure
      .meta({
        rest: "POST /canaries",
        status: 201,
        role: "operator",
        summary: "Start a canary; 422 says which rule forbids it",
      })
      .input(StartCanary)
      .output(ChangedCanary)
      .mutation(({ ctx, input }) => createCanary(ctx, input)),
    preview: operatorProcedure
      .meta({
        rest: "POST /canaries/preview",
        summary: "Whom a canary would touch, what each step needs, and what forbids it",
      })
      .input(PreviewCanary)
      .output(Estimate)
      .mutation(({ ctx, input }) => previewCanary(ctx, input)),
    templates: operatorProcedure
      .meta({ rest: "GET /canary-templates", summary: "Ladders that have served well" })
      .output(TemplateList)
      .query(() => ({
        items: (["quick", "usual", "careful"] as const).map((name) => ({
          name,
          steps: [...templates[name]],
        })),
        nextCursor: null,
      })),
    read: operatorProcedure
      .meta({
        rest: "GET /canaries/{id}",
        summary: "One canary's whole story, with the evidence of each decision",
      })
      .input(ByCanary)
      .output(CanaryStory)
      .query(({ ctx, input }) => readCanary(ctx, input)),
    course: operatorProcedure
      .meta({
        rest: "GET /canaries/{id}/course",
        summary: "How both sides fared over its life, with the interval of each",
      })
      .input(CourseQuery)
      .output(CanaryCourse)
      .query(({ ctx, input }) => readCourse(ctx, input)),
    pause: act("pause", "Hold the weight where it is; the judge still turns back"),
    resume: act("resume", "Go on; this step bakes anew"),
    promote: act("promote", "Everybody gets the canary, whatever the judge says"),
    abort: act("abort", "Nobody gets the canary any more"),
    close: act("close", "Take one that has ended out of force"),
    extend: operatorProcedure
      .meta({ rest: "POST /canaries/{id}/extend", role: "operator", summary: "Let this step bake longer" })
      .input(ExtendCanary)
      .output(ChangedCanary)
      .mutation(({ ctx, input }) => changeCanary(ctx, input, "extend")),
    restore: operatorProcedure
      .meta({
        rest: "POST /canaries/{id}/restore",
        role: "operator",
        summary: "Bring the former side back after a promotion, for 24 hours",
      })
      .input(ActOnCanary)
      .output(ChangedCanary)
      .mutation(({ ctx, input }) => changeCanary(ctx, input, "abort")),
  },
  freezes: {
    list: operatorProcedure
      .meta({ rest: "GET /freezes", summary: "When no canary begins or takes a step" })
      .input(OperatorPage)
      .output(FreezeList)
      .query(({ ctx, input }) => listFreezes(ctx, input)),
    set: operatorProcedure
      .meta({ rest: "PUT /freezes/{key}", role: "operator", summary: "Set a freeze window" })
      .input(SetFreeze)
      .output(Changed)
      .mutation(({ ctx, input }) => changeFreeze(ctx, input)),
    reset: operatorProcedure
      .meta({ rest: "POST /freezes/{key}/reset", role: "operator", summary: "Take a freeze window away" })
      .input(RemoveFreeze)
      .output(Changed)
      .mutation(({ ctx, input }) => takeFreeze(ctx, input)),
  },
} satisfies TRPCRouterRecord;
