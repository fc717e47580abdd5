// Sends a real api what its own documents allow, what is just beyond that, and what nobody should send, and judges each answer.

import { Agent, request as httpRequest } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import type { OpenApi } from "../adapter/describe.ts";
import { createJudge, type FuzzAnswer } from "./judge.ts";
import { type Random, seeded } from "./random.ts";
import { createRequests, type FuzzRequest, isStream, placeOf, somewhere } from "./requests.ts";
import type { RunningApi } from "./server.ts";
import type { Pool } from "./values.ts";

type Finding = { request: string; status: number; wrong: string[]; answer: string };
type Fuzzed = {
  sent: number;
  findings: Finding[];
  /** How often each status was answered. */
  statuses: Record<number, number>;
  /** Operations of which no call succeeded. */
  neverDone: string[];
};

const atOnce = 6;
const password = "a phrase of my own";

export async function fuzz(
  api: RunningApi,
  { requests, seed, prefixes }: { requests: number; seed: number; prefixes: string[] },
): Promise<Fuzzed> {
  const random = seeded(seed);
  const pool: Pool = new Map();
  const agent = new Agent({ keepAlive: true, maxSockets: atOnce });
  const people = await openPeople(api, agent, pool, seeded(seed + 1));
  const findings: Finding[] = [];
  const statuses: Record<number, number> = {};
  const undone = new Set<string>();
  let sent = 0;

  for (const prefix of prefixes) {
    const isOperator = prefix.startsWith("/operator");
    const base = isOperator ? api.operator : api.public;
    const { body } = await send(agent, base, {
      method: "GET",
      path: `${prefix}/openapi.json`,
      headers: {},
      body: undefined,
    });
    const document = JSON.parse(body) as OpenApi;
    const judge = createJudge(document);
    const next = createRequests({ document, prefix }, random, pool, () =>
      isOperator ? [api.operatorToken] : people.tokens(),
    );
    const nameOf = ({ operation }: FuzzRequest) =>
      operation && `${prefix} ${document.paths[operation.path]![operation.method as "get"]!.operationId}`;
    for (const [path, methods] of Object.entries(document.paths))
      for (const [method, operation] of Object.entries(methods))
        if (!isStream(operation)) undone.add(nameOf({ operation: { path, method } } as FuzzRequest)!);

    let left = Math.ceil(requests / prefixes.length);
    const worker = async () => {
      while (left-- > 0) {
        const request = next();
        const answer = await sendUntilTaken(agent, base, request);
        sent += 1;
        statuses[answer.status] = (statuses[answer.status] ?? 0) + 1;
        if (answer.status < 400 && request.operation) {
          undone.delete(nameOf(request)!);
          learn(pool, placeOf(request.operation.path), answer.body);
        }
        const ended = answer.status === 401 || /\/(logout|sessions|password|me\b)/.test(request.path);
        if (ended && !isOperator && request.method !== "GET")
          await people.comeBack(request.headers.authorization);
        const wrong = judge(request, answer);
        if (wrong.length > 0) findings.push(describeFinding(request, answer, wrong));
      }
    };
    await Promise.all(Array.from({ length: atOnce }, worker));
  }
  agent.destroy();
  return { sent, findings, statuses, neverDone: [...undone].sort() };
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

/** People who sign in as others when a call of theirs ended their session; one in four is a moderator. */
async function openPeople(api: RunningApi, agent: Agent, pool: Pool, random: Random) {
  let made = 0;
  const post = async (base: string, method: string, path: string, body: object, token?: string) => {
    const headers: Record<string, string> = {
      "content-type": "application/json",
      "x-forwarded-for": somewhere(random),
    };
    if (token) headers.authorization = `Bearer ${token}`;
    const answer = await send(agent, base, {
      method,
      path,
      headers,
      body: Buffer.from(JSON.stringify(body)),
    });
    return answer.body === "" ? {} : JSON.parse(answer.body);
  };
  async function join(at: number): Promise<string> {
    const handle = `fuzz_${made++}`;
    const form = { handle, email: `${handle}@example.test`, password };
    const { user, accessToken } = await post(api.public, "POST", "/v1/auth/register", form);
    if (at % 4 !== 0) return accessToken;
    const role = { role: "moderator", reason: "fuzz" };
    await post(api.operator, "PUT", `/operator/v1/users/${user.id}/role`, role, api.operatorToken);
    return (await post(api.public, "POST", "/v1/auth/login", { login: handle, password })).accessToken;
  }
  const tokens = await Promise.all(Array.from({ length: 8 }, (_, at) => join(at)));
  pool.set("login", ["fuzz_1", "fuzz_2", "fuzz_3"]);
  for (const name of ["password", "current"])
    pool.set(name, [password, password, "another phrase of my own"]);
  const joining = new Map<number, Promise<void>>();
  return {
    tokens: () => tokens,
    async comeBack(authorization: string | undefined) {
      const at = tokens.findIndex((token) => authorization === `Bearer ${token}`);
      if (at < 0) return;
      let coming = joining.get(at);
      if (!coming) {
        coming = join(at).then((token) => {
          if (token) tokens[at] = token;
          joining.delete(at);
        });
        joining.set(at, coming);
      }
      await coming;
    },
  };
}

type Named = {
  id?: unknown;
  handle?: unknown;
  key?: unknown;
  name?: unknown;
  author?: Named;
  authorHandle?: unknown;
};

/** What an answer names may be sent back: ids, handles, keys, cursors. */
function learn(pool: Pool, place: string, body: string): void {
  if (!body.startsWith("{")) return;
  const keep = (name: string, value: unknown) => {
    if (typeof value !== "string" || value.length > 300) return;
    for (const each of [name, `${place} ${name}`]) {
      const known = pool.get(each) ?? [];
      if (known.length < 40) known.push(value);
      else known[Math.floor(known.length / 2)] = value;
      pool.set(each, known);
    }
  };
  const answer = JSON.parse(body) as Named & {
    items?: Named[];
    nextCursor?: unknown;
    refreshToken?: unknown;
  };
  for (const { id, handle, key, name, author, authorHandle } of [answer, ...(answer.items ?? [])]) {
    keep("id", id);
    keep("key", key);
    keep("entity", name);
    keep("handle", handle ?? author?.handle ?? authorHandle);
    keep("user", handle);
  }
  keep("cursor", answer.nextCursor);
  keep("refreshToken", answer.refreshToken);
}

/** On a machine that is busy with something else the platform asks callers to come back, and these do. */
async function sendUntilTaken(agent: Agent, base: string, request: FuzzRequest): Promise<FuzzAnswer> {
  for (let tries = 1; ; tries += 1) {
    const answer = await send(agent, base, request);
    if (tries === 10 || answer.status !== 503 || JSON.parse(answer.body).code !== "overloaded") return answer;
    await pause(Math.min(Number(answer.headers["retry-after"]) || 1, 3) * 1_000);
  }
}

function send(
  agent: Agent,
  base: string,
  { method, path, headers, body }: Omit<FuzzRequest, "operation">,
): Promise<FuzzAnswer> {
  return new Promise((resolve) => {
    const { hostname, port } = new URL(base);
    const request = httpRequest(
      {
        agent,
        hostname,
        port,
        method,
        path,
        headers: {
          ...headers,
          ...(body && !headers["content-length"] ? { "content-length": body.length } : {}),
        },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk) => chunks.push(chunk));
        response.on("end", () => {
          const bytes = Buffer.concat(chunks);
          const encoding = bytes.length > 0 ? response.headers["content-encoding"] : undefined;
          const plain =
            encoding === "br" ? brotliDecompressSync(bytes) : encoding === "gzip" ? gunzipSync(bytes) : bytes;
          resolve({ status: response.statusCode!, headers: response.headers, body: plain.toString() });
        });
      },
    );
    // No answer is one to be judged too.
    request.on("error", (error) =>
      resolve({ status: 599, headers: {}, body: `{"none":"${error.message}"}` }),
    );
    request.setTimeout(15_000, () => request.destroy(new Error("no answer within 15 s")));
    request.end(body);
  });
}
