// What operators do about queues and dead letters.

import type { TRPCRouterRecord } from "@trpc/server";
import { z } from "zod";
import { OperatorPage } from "../control/schema.ts";
import { operatorProcedure } from "../trpc.ts";
import { discardLetter, listLetters, readLetter, replayLetter, replayLetters } from "./dead-letters.ts";
import { listQueues, retryQueue } from "./queues.ts";
import {
  ByLetter,
  DeadLetter,
  DeadLetterList,
  DeadLetterQuery,
  ForLetter,
  ForQueue,
  QueueList,
  ReplayAsked,
  ReplayLetters,
} from "./schema.ts";

export const operatorBackbone = {
  queues: {
    list: operatorProcedure
      .meta({ rest: "GET /queues", summary: "How far every consumer is, and what holds it up" })
      .input(OperatorPage)
      .output(QueueList)
      .query(({ ctx, input }) => listQueues(ctx, input)),
    retry: operatorProcedure
      .meta({
        rest: "POST /queues/{key}/retry",
        status: 202,
        role: "operator",
        summary: "Try anew what a queue of work gave up",
      })
      .input(ForQueue)
      .output(ReplayAsked)
      .mutation(({ ctx, input }) => retryQueue(ctx, input)),
  },
  deadletters: {
    list: operatorProcedure
      .meta({ rest: "GET /deadletters", summary: "Events that no attempt could handle, oldest first" })
      .input(DeadLetterQuery)
      .output(DeadLetterList)
      .query(({ ctx, input }) => listLetters(ctx, input)),
    read: operatorProcedure
      .meta({ rest: "GET /deadletters/{id}", summary: "One of them, with its payload" })
      .input(ByLetter)
      .output(DeadLetter)
      .query(({ ctx, input }) => readLetter(ctx, input.id)),
    replay: operatorProcedure
      .meta({
        rest: "POST /deadletters/{id}/replay",
        status: 202,
        role: "operator",
        summary: "Run one again, with what waits behind it",
      })
      .input(ForLetter)
      .output(ReplayAsked)
      .mutation(({ ctx, input }) => replayLetter(ctx, input)),
    replayMany: operatorProcedure
      .meta({
        rest: "POST /deadletters/replay",
        status: 202,
        role: "operator",
        summary: "Run a queue's letters again, or all of them",
      })
      .input(ReplayLetters)
      .output(ReplayAsked)
      .mutation(({ ctx, input }) => replayLetters(ctx, input)),
    discard: operatorProcedure
      .meta({
        rest: "DELETE /deadletters/{id}",
        status: 204,
        role: "operator",
        body: true,
        summary: "Give one up for good; what waits behind it goes on",
      })
      .input(ForLetter)
      .output(z.void())
      .mutation(({ ctx, input }) => discardLetter(ctx, input)),
  },
} satisfies TRPCRouterRecord;
