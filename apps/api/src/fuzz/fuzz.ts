// Sends a real api what its own documents allow, what is just beyond that, and what nobody should send, and judges each answer.

import { setTimeout as pause } from "node:timers/promises";
import type { OpenApi } from "../adapter/describe.ts";
import { openCallers } from "./callers.ts";
import { createJudge, type FuzzAnswer, ownFailure } from "./judge.ts";
import { createPool } from "./pool.ts";
import { seeded } from "./random.ts";
import { createRequests, type FuzzRequest, isStream, kindOf } from "./requests.ts";
import { createSender } from "./send.ts";
import type { RunningApi } from "./server.ts";

type Finding = { request: string; status: number; wrong: string[]; answer: string };
type Fuzzed = {
  findings: Finding[];
  /** How often each status was answered. */
  statuses: Record<number, number>;
  /** Operations of which no call succeeded. */
  neverDone: string[];
};

const atOnce = 6;
const mostTries = 10;

export async function fuzz(
  api: RunningApi,
  { requests, seed, prefixes }: { requests: number; seed: number; prefixes: string[] },
): Promise<Fuzzed> {
  const random = seeded(seed);
  const pool = createPool();
  const { send, close } = createSender(atOnce);
  const callers = await openCallers(api, send, pool, seed + 1);
  const findings: Finding[] = [];
  const statuses: Record<number, number> = {};
  const undone = new Set<string>();

  for (const prefix of prefixes) {
    const isOperator = prefix.startsWith("/operator");
    const base = isOperator ? api.operator : api.public;
    const asked = { method: "GET", path: `${prefix}/openapi.json`, headers: {}, body: undefined };
    const document = JSON.parse((await send(base, asked)).body) as OpenApi;
    const judge = createJudge(document);
    const target = { document, prefix };
    const next = createRequests(target, random, pool, isOperator ? callers.operators : callers.users);
    const nameOf = ({ path, method }: { path: string; method: string }) =>
      `${prefix} ${document.paths[path]![method as "get"]!.operationId}`;
    for (const [path, methods] of Object.entries(document.paths))
      for (const [method, operation] of Object.entries(methods))
        if (!isStream(operation)) undone.add(nameOf({ path, method }));

    let left = Math.ceil(requests / prefixes.length);
    const worker = async () => {
      while (left-- > 0) {
        const request = next();
        let answer = await send(base, request);
        for (let tries = 1; tries < mostTries && (await comesBack(answer, callers.bringBack)); tries += 1) {
          const wrong = judge(request, answer).filter((each) => each !== ownFailure);
          if (wrong.length > 0) findings.push(describeFinding(request, answer, wrong));
          answer = await send(base, request);
        }
        statuses[answer.status] = (statuses[answer.status] ?? 0) + 1;
        if (answer.status < 400 && request.operation) {
          const { path } = request.operation;
          undone.delete(nameOf(request.operation));
          const isTheirs = request.method === "POST" || /^\/(me|auth)\b/.test(path);
          if (answer.body.startsWith("{"))
            pool.learn(JSON.parse(answer.body), kindOf(path), isTheirs ? request.caller : undefined);
        }
        const mayHaveEnded = answer.status === 401 || /\/(logout|sessions|password|me\b)/.test(request.path);
        if (mayHaveEnded && !isOperator) await callers.comeBack(request.caller);
        const wrong = judge(request, answer);
        if (wrong.length > 0) findings.push(describeFinding(request, answer, wrong));
      }
    };
    await Promise.all(Array.from({ length: atOnce }, worker));
  }
  close();
  return { findings, statuses, neverDone: [...undone].sort() };
}

function describeFinding(
  { method, path, headers, body }: FuzzRequest,
  answer: FuzzAnswer,
  wrong: string[],
): Finding {
  const shown = {
    ...headers,
    ...(headers.authorization ? { authorization: headers.authorization.slice(0, 16) } : {}),
  };
  return {
    request: `${method} ${path.slice(0, 300)} ${JSON.stringify(shown).slice(0, 400)} ${body?.toString().slice(0, 300) ?? ""}`,
    status: answer.status,
    wrong,
    answer: answer.body.slice(0, 400),
  };
}

/** Who is asked to come back does: the machine is busy, or a request of before took a part out of use. */
async function comesBack(
  { status, headers, body }: FuzzAnswer,
  bringBack: () => Promise<void>,
): Promise<boolean> {
  if (status !== 503) return false;
  const { code, detail = "" } = body.startsWith("{") ? JSON.parse(body) : {};
  if (code === "overloaded") await pause(Math.min(Number(headers["retry-after"]) || 1, 3) * 1_000);
  // HEAD does not say why.
  else if (body === "" || detail.includes("is taken out of use by an operator")) {
    await bringBack();
    await pause(200);
  } else return false;
  return true;
}
