// The operators' procedures. They skip the gateway: what an operator switches off never locks him out.

import type { TRPCRouterRecord } from "@trpc/server";
import { z } from "zod";
import { guestProcedure, operatorProcedure } from "../trpc.ts";
import { listAudit, verifyAudit } from "./audit.ts";
import { changeCacheTtl, invalidate, listCaches, revertCacheTtl, warm } from "./caches.ts";
import { changeDependency, listDependencies } from "./dependencies.ts";
import { bringInFiles, readFiles } from "./files.ts";
import { listLedger } from "./ledger.ts";
import { changeLimit, listLimits, revertLimit } from "./limits.ts";
import { changeNumber, listNumbers, revertNumber } from "./numbers.ts";
import { approveProposal, listProposals, makeProposal, rejectProposal } from "./proposals.ts";
import { closeOneReview, listReviews } from "./reviews.ts";
import { cancelSchedule, listSchedules, makeSchedule } from "./schedules.ts";
import {
  Approve,
  AuditList,
  AuditQuery,
  AuditVerdict,
  BringInFiles,
  BroughtIn,
  CacheList,
  Changed,
  CloseReview,
  Confirmations,
  Course,
  CourseQuery,
  CreateSwitch,
  DependencyList,
  EventList,
  ForceDependency,
  Golden,
  GoldenQuery,
  History,
  Invalidate,
  Ledger,
  LimitList,
  NumberList,
  OneProposal,
  OneSchedule,
  OneSwitch,
  OpenSession,
  OperatorPage,
  Planned,
  PlanSwitch,
  ProposalList,
  Propose,
  Proposed,
  ResetCacheTtl,
  ResetLimit,
  ResetNumber,
  ResetShed,
  RevertAct,
  ReviewList,
  ScheduleList,
  ServiceList,
  Session,
  SetCacheTtl,
  SetLimit,
  SetNumber,
  SetShed,
  SetSwitch,
  SettingsFiles,
  SetWeight,
  SetZone,
  ShedList,
  SwitchList,
  SwitchQuery,
  WarmCaches,
  Warmed,
  WeightList,
  ZoneList,
} from "./schema.ts";
import { closeSession, openSession, readSession } from "./session.ts";
import { changeShed, listShed, revertShed } from "./shed.ts";
import { listServices, readCourse, readGolden, watchGolden } from "./sight.ts";
import {
  archiveOne,
  createOwn,
  flipSwitch,
  listSwitches,
  protectKey,
  readHistory,
  redrawOne,
  revertOne,
} from "./switches.ts";
import { changeWeight, listWeights, revertWeight } from "./weights.ts";
import { changeZone, listZones } from "./zones.ts";

export const router = {
  session: {
    create: guestProcedure
      .meta({ rest: "POST /session", priority: "critical", summary: "Sign in with a one-time link's token" })
      .input(OpenSession)
      .output(Session)
      .mutation(({ ctx, input }) => openSession(ctx, input)),
    read: operatorProcedure
      .meta({ rest: "GET /session", summary: "Who is signed in" })
      .output(Session)
      .query(({ ctx }) => readSession(ctx)),
    close: operatorProcedure
      .meta({ rest: "DELETE /session", status: 204, summary: "Sign out here" })
      .output(z.void())
      .mutation(({ ctx }) => closeSession(ctx)),
  },
  switches: {
    list: operatorProcedure
      .meta({ rest: "GET /switches", summary: "Everything that can be switched off, and what is" })
      .input(SwitchQuery)
      .output(SwitchList)
      .query(({ ctx, input }) => listSwitches(ctx, input)),
    set: operatorProcedure
      .meta({
        rest: "PUT /switches/{key}",
        role: "operator",
        summary: "Switch something off or on; answers who confirmed it",
      })
      .input(SetSwitch)
      .output(Changed)
      .mutation(({ ctx, input }) => flipSwitch(ctx, input)),
    history: operatorProcedure
      .meta({ rest: "GET /switches/{key}/history", summary: "Every change of a key, newest first" })
      .input(History)
      .output(EventList)
      .query(({ ctx, input }) => readHistory(ctx, input)),
    create: operatorProcedure
      .meta({
        rest: "POST /switches",
        status: 201,
        role: "operator",
        summary: "Make a switch for an application of your own",
      })
      .input(CreateSwitch)
      .output(Changed)
      .mutation(({ ctx, input }) => createOwn(ctx, input)),
    archive: operatorProcedure
      .meta({
        rest: "POST /switches/{key}/archive",
        role: "operator",
        summary: "Retire a key; it is never used again",
      })
      .input(OneSwitch)
      .output(Changed)
      .mutation(({ ctx, input }) => archiveOne(ctx, input)),
    redraw: operatorProcedure
      .meta({
        rest: "POST /switches/{key}/redraw",
        role: "operator",
        summary: "Draw anew which callers a share meets",
      })
      .input(OneSwitch)
      .output(Changed)
      .mutation(({ ctx, input }) => redrawOne(ctx, input)),
    protect: operatorProcedure
      .meta({
        rest: "POST /switches/{key}/protect",
        role: "admin",
        summary: "From now on a second operator must approve what lets more callers through",
      })
      .input(OneSwitch)
      .output(Changed)
      .mutation(({ ctx, input }) => protectKey(ctx, input)),
  },
  proposals: {
    list: operatorProcedure
      .meta({ rest: "GET /proposals", summary: "Changes that wait for a second operator" })
      .input(OperatorPage)
      .output(ProposalList)
      .query(({ ctx, input }) => listProposals(ctx, input)),
    make: operatorProcedure
      .meta({
        rest: "POST /proposals",
        status: 201,
        role: "operator",
        summary: "Propose to turn a protected switch on, or to lift its protection",
      })
      .input(Propose)
      .output(Proposed)
      .mutation(({ ctx, input }) => makeProposal(ctx, input)),
    approve: operatorProcedure
      .meta({ rest: "POST /proposals/{id}/approve", role: "operator", summary: "Do what another proposed" })
      .input(Approve)
      .output(Changed)
      .mutation(({ ctx, input }) => approveProposal(ctx, input)),
    reject: operatorProcedure
      .meta({ rest: "POST /proposals/{id}/reject", role: "operator", summary: "Refuse or withdraw it" })
      .input(OneProposal)
      .output(Changed)
      .mutation(({ ctx, input }) => rejectProposal(ctx, input)),
  },
  reviews: {
    list: operatorProcedure
      .meta({ rest: "GET /reviews", summary: "Broken glass that somebody has to look at" })
      .input(OperatorPage)
      .output(ReviewList)
      .query(({ ctx, input }) => listReviews(ctx, input)),
    close: operatorProcedure
      .meta({ rest: "POST /reviews/{revision}", role: "operator", summary: "Say whether it was right" })
      .input(CloseReview)
      .output(Changed)
      .mutation(({ ctx, input }) => closeOneReview(ctx, input)),
  },
  schedules: {
    list: operatorProcedure
      .meta({ rest: "GET /schedules", summary: "Changes that will be made at a time on a clock" })
      .input(OperatorPage)
      .output(ScheduleList)
      .query(({ ctx, input }) => listSchedules(ctx, input)),
    make: operatorProcedure
      .meta({
        rest: "POST /schedules",
        status: 201,
        role: "operator",
        summary: "Plan a change of a switch, in a time zone",
      })
      .input(PlanSwitch)
      .output(Planned)
      .mutation(({ ctx, input }) => makeSchedule(ctx, input)),
    cancel: operatorProcedure
      .meta({ rest: "POST /schedules/{id}/cancel", role: "operator", summary: "Take a plan back" })
      .input(OneSchedule)
      .output(Changed)
      .mutation(({ ctx, input }) => cancelSchedule(ctx, input)),
  },
  settings: {
    files: operatorProcedure
      .meta({ rest: "GET /settings/files", summary: "All that is set, as files for git" })
      .output(SettingsFiles)
      .query(({ ctx }) => readFiles(ctx)),
    bringIn: operatorProcedure
      .meta({
        rest: "POST /settings/files",
        role: "admin",
        summary: "Make the settings what these files say, or tell what would change",
      })
      .input(BringInFiles)
      .output(BroughtIn)
      .mutation(({ ctx, input }) => bringInFiles(ctx, input)),
  },
  ledger: {
    list: operatorProcedure
      .meta({ rest: "GET /ledger", summary: "Which revision each process enforces, and who is behind" })
      .input(OperatorPage)
      .output(Ledger)
      .query(({ ctx, input }) => listLedger(ctx, input)),
  },
  limits: {
    list: operatorProcedure
      .meta({ rest: "GET /limits", summary: "How often callers may call" })
      .input(OperatorPage)
      .output(LimitList)
      .query(({ ctx, input }) => listLimits(ctx, input)),
    set: operatorProcedure
      .meta({
        rest: "PUT /limits/{key}",
        role: "operator",
        summary: "Change a limit, or set one on a name or prefix",
      })
      .input(SetLimit)
      .output(Changed)
      .mutation(({ ctx, input }) => changeLimit(ctx, input)),
    reset: operatorProcedure
      .meta({
        rest: "POST /limits/{key}/reset",
        role: "operator",
        summary: "Back to the default, or to no limit of its own",
      })
      .input(ResetLimit)
      .output(Changed)
      .mutation(({ ctx, input }) => revertLimit(ctx, input)),
  },
  shed: {
    list: operatorProcedure
      .meta({
        rest: "GET /shed",
        summary: "How much each service takes at once, and how full each process is",
      })
      .input(OperatorPage)
      .output(ShedList)
      .query(({ ctx, input }) => listShed(ctx, input)),
    set: operatorProcedure
      .meta({
        rest: "PUT /shed/{key}",
        role: "operator",
        summary: "Change when a service, or * for all, refuses calls",
      })
      .input(SetShed)
      .output(Changed)
      .mutation(({ ctx, input }) => changeShed(ctx, input)),
    reset: operatorProcedure
      .meta({ rest: "POST /shed/{key}/reset", role: "operator", summary: "Back to the default" })
      .input(ResetShed)
      .output(Changed)
      .mutation(({ ctx, input }) => revertShed(ctx, input)),
  },
  dependencies: {
    list: operatorProcedure
      .meta({
        rest: "GET /dependencies",
        summary: "The parts that processes ask, and how their breakers stand",
      })
      .input(OperatorPage)
      .output(DependencyList)
      .query(({ ctx, input }) => listDependencies(ctx, input)),
    force: operatorProcedure
      .meta({
        rest: "PUT /dependencies/{name}",
        role: "operator",
        summary: "Take a part out of use, keep it in use, or leave that to its breaker",
      })
      .input(ForceDependency)
      .output(Changed)
      .mutation(({ ctx, input }) => changeDependency(ctx, input)),
  },
  zones: {
    list: operatorProcedure
      .meta({
        rest: "GET /zones",
        summary: "Where services run, and how much of a zone's traffic stays there",
      })
      .input(OperatorPage)
      .output(ZoneList)
      .query(({ ctx, input }) => listZones(ctx, input)),
    set: operatorProcedure
      .meta({
        rest: "PUT /zones/{key}",
        role: "operator",
        summary: "Shift traffic away from a zone, or back",
      })
      .input(SetZone)
      .output(Changed)
      .mutation(({ ctx, input }) => changeZone(ctx, input)),
  },
  weights: {
    list: operatorProcedure
      .meta({ rest: "GET /weights", summary: "Which calls take more or less out of a limit than others" })
      .input(OperatorPage)
      .output(WeightList)
      .query(({ ctx, input }) => listWeights(ctx, input)),
    set: operatorProcedure
      .meta({ rest: "PUT /weights/{key}", role: "operator", summary: "How much a call takes out of a limit" })
      .input(SetWeight)
      .output(Changed)
      .mutation(({ ctx, input }) => changeWeight(ctx, input)),
    reset: operatorProcedure
      .meta({
        rest: "POST /weights/{key}/reset",
        role: "operator",
        summary: "Back to what the procedure says itself",
      })
      .input(ResetLimit)
      .output(Changed)
      .mutation(({ ctx, input }) => revertWeight(ctx, input)),
  },
  numbers: {
    list: operatorProcedure
      .meta({ rest: "GET /numbers", summary: "Numbers by which modules decide" })
      .input(OperatorPage)
      .output(NumberList)
      .query(({ ctx, input }) => listNumbers(ctx, input)),
    set: operatorProcedure
      .meta({ rest: "PUT /numbers/{key}", role: "operator", summary: "Change one of them" })
      .input(SetNumber)
      .output(Changed)
      .mutation(({ ctx, input }) => changeNumber(ctx, input)),
    reset: operatorProcedure
      .meta({ rest: "POST /numbers/{key}/reset", role: "operator", summary: "Back to the default" })
      .input(ResetNumber)
      .output(Changed)
      .mutation(({ ctx, input }) => revertNumber(ctx, input)),
  },
  caches: {
    list: operatorProcedure
      .meta({
        rest: "GET /caches",
        summary: "What is cached, how well, and for how long, over all instances",
      })
      .input(OperatorPage)
      .output(CacheList)
      .query(({ ctx, input }) => listCaches(ctx, input)),
    set: operatorProcedure
      .meta({
        rest: "PUT /caches/{entity}",
        role: "operator",
        summary: "Set how long an entity, or all below a prefix, stays cached",
      })
      .input(SetCacheTtl)
      .output(Changed)
      .mutation(({ ctx, input }) => changeCacheTtl(ctx, input)),
    reset: operatorProcedure
      .meta({ rest: "POST /caches/{entity}/reset", role: "operator", summary: "Back to the default times" })
      .input(ResetCacheTtl)
      .output(Changed)
      .mutation(({ ctx, input }) => revertCacheTtl(ctx, input)),
    invalidate: operatorProcedure
      .meta({
        rest: "POST /caches/invalidate",
        role: "operator",
        summary: "Forget one value, an entity or a module on every instance; answers who did",
      })
      .input(Invalidate)
      .output(Confirmations)
      .mutation(({ ctx, input }) => invalidate(ctx, input)),
    warm: operatorProcedure
      .meta({
        rest: "POST /caches/warm",
        role: "operator",
        summary: "Read what is asked for most into the cache",
      })
      .input(WarmCaches)
      .output(Warmed)
      .mutation(({ ctx, input }) => warm(ctx, input)),
  },
  audit: {
    list: operatorProcedure
      .meta({
        rest: "GET /audit",
        summary: "Every operator act, newest first; with `at` the whole state then",
      })
      .input(AuditQuery)
      .output(AuditList)
      .query(({ ctx, input }) => listAudit(ctx, input)),
    verify: operatorProcedure
      .meta({
        rest: "GET /audit/verify",
        timeoutMs: 60_000,
        summary: "Whether any act was edited, removed or written anew",
      })
      .output(AuditVerdict)
      .query(({ ctx }) => verifyAudit(ctx)),
    revert: operatorProcedure
      .meta({
        rest: "POST /audit/{revision}/revert",
        role: "operator",
        summary: "Take one act back, unless its key was changed since",
      })
      .input(RevertAct)
      .output(Changed)
      .mutation(({ ctx, input }) => revertOne(ctx, input)),
  },
  signals: {
    golden: operatorProcedure
      .meta({
        rest: "GET /signals/golden",
        summary: "Rate, errors, refusals and latency, and what is used up",
      })
      .input(GoldenQuery)
      .output(Golden)
      .query(({ ctx, input }) => readGolden(ctx, input)),
    course: operatorProcedure
      .meta({ rest: "GET /signals/course", summary: "The same figures over time, oldest first" })
      .input(CourseQuery)
      .output(Course)
      .query(({ ctx, input }) => readCourse(ctx, input)),
    stream: operatorProcedure
      .meta({
        stream: {
          rest: "GET /signals/stream",
          events: "one without a name each second, whose data is what GET /signals/golden answers",
        },
        summary: "The golden signals as they come",
      })
      .input(GoldenQuery)
      .subscription(({ ctx, input, signal }) => watchGolden(ctx, input, signal)),
  },
  services: {
    list: operatorProcedure
      .meta({ rest: "GET /services", summary: "Every live process and the settings that it enforces" })
      .input(OperatorPage)
      .output(ServiceList)
      .query(({ ctx, input }) => listServices(ctx, input)),
  },
} satisfies TRPCRouterRecord;
