// Work that is not an event: done once by anyone, later or with a priority, tried again when it fails. On BullMQ.

import { Queue } from "bullmq";
import { atMost } from "../bus/backoff.ts";
import { newId } from "../ids.ts";
import type { Logger } from "../log.ts";
import { connectRedis, patient, type Redis } from "../redis.ts";
import { type Carrier, carrierName, createGathering, isCarrier, newCarrierId, takeOut } from "./carrier.ts";
import type { QueueDefinition, Queues } from "./definition.ts";
import { countIn, depthOf } from "./depth.ts";
import { type AnyQueue, jobOptions } from "./job.ts";
import { createTimes } from "./times.ts";
import { startWorker } from "./worker.ts";

export function createQueues(options: {
  url: string;
  log: Logger;
  prefix?: string;
  /** How long a job belongs to a process that says nothing any more. */
  lockMs?: number;
}): Queues {
  const { url, log, prefix = "queue", lockMs = 15_000 } = options;
  const connections: Redis[] = [];
  const queues = new Map<string, Queue>();
  const workers: ReturnType<typeof startWorker>[] = [];

  const connect = (isBlocking: boolean) => {
    const redis = connectRedis(url, {
      ...(isBlocking ? patient : {}),
      onError: (error) => log.debug({ error }, "queues: redis is away"),
    });
    connections.push(redis);
    return redis;
  };
  let forQueues: Redis | undefined;
  const plain = (): Redis => {
    forQueues ??= connect(false);
    return forQueues;
  };
  // The hash tag keeps all keys of a queue together, and queues apart.
  const prefixOf = (name: string) => `{${prefix}:${name}}`;

  function queueOf({ name }: Pick<QueueDefinition, "name">): Queue {
    let queue = queues.get(name);
    if (!queue) {
      queue = new Queue(name, { connection: plain(), prefix: prefixOf(name) });
      queue.on("error", (error) => log.debug({ error, queue: name }, "a queue met an error"));
      queues.set(name, queue);
    }
    return queue;
  }

  const times = createTimes({ redis: plain, keyOf: (name) => `${prefixOf(name)}:took` });

  const gathering = createGathering<{ definition: AnyQueue; priority: number | undefined }>(
    ({ terms: { definition, priority }, carried }) => {
      const [first] = carried;
      if (carried.length === 1)
        return queueOf(definition).add(
          definition.name,
          first!.data,
          jobOptions(definition, { ...first!, priority }),
        );
      const id = newCarrierId(carried.length);
      return queueOf(definition).add(carrierName, { carried }, jobOptions(definition, { id, priority }));
    },
  );

  return {
    async add(definition, data, { id, delayMs, priority, cause } = {}) {
      const { name, schema, gatherMs, attempts, flow } = definition;
      const parsed = schema.parse(data);
      if (gatherMs > 0 && delayMs === undefined && attempts > 1 && !flow) {
        const one = { id: id ?? newId(), data: parsed, ...(cause ? { cause } : {}) };
        await gathering.ask(`${name} ${priority}`, { definition, priority }, one, gatherMs);
        return one.id;
      }
      const opts = jobOptions(definition, { id, delayMs, priority, cause });
      return (await queueOf(definition).add(name, parsed, opts)).id!;
    },

    async repeat(definition, data, everyMs) {
      await queueOf(definition).upsertJobScheduler(
        definition.name,
        { every: everyMs },
        {
          name: definition.name,
          data: definition.schema.parse(data),
          opts: jobOptions(definition),
        },
      );
    },

    work(definition, handle, options = {}) {
      const worker = startWorker({
        ...{ definition, handle, options, log, lockMs },
        queue: () => queueOf(definition),
        connection: connect(true),
        prefix: prefixOf(definition.name),
        noteTime: (ms) => times.note(definition.name, ms),
      });
      workers.push(worker);
    },

    async depth(definition) {
      return { ...(await depthOf(queueOf(definition))), took: await times.read(definition.name) };
    },

    async retry(definition) {
      const queue = queueOf(definition);
      const { failed = 0 } = await queue.getJobCounts("failed");
      const asked = await countIn(queue, "failed", failed);
      if (failed > 0) await queue.retryJobs({ state: "failed" });
      return asked;
    },

    async remove(definition, isMeant) {
      const queue = queueOf(definition);
      const jobs = await queue.getJobs(["failed", "waiting", "prioritized", "delayed"]);
      const isMeantHere = (data: unknown) => {
        const parsed = definition.schema.safeParse(data);
        return parsed.success && isMeant(parsed.data);
      };
      // One that somebody took up in this moment is done, and then it is gone too.
      const removed = await Promise.all(
        jobs.map(async (job) => {
          try {
            if (isCarrier(job))
              return await takeOut(
                job,
                () => queue.getJob(job.id!) as Promise<Carrier | undefined>,
                isMeantHere,
              );
            if (!isMeantHere(job.data)) return 0;
            await job.remove();
            return 1;
          } catch {
            return 0;
          }
        }),
      );
      return removed.reduce((sum, one) => sum + one, 0);
    },

    async close(limitMs = 8_000) {
      await Promise.all(workers.map((worker) => worker.close(limitMs)));
      await atMost(1_000, Promise.allSettled([gathering.flush(), times.tell()]));
      await Promise.all([...queues.values()].map((queue) => queue.close().catch(() => {})));
      for (const connection of connections) connection.disconnect();
    },
  };
}
