// Nothing is mounted at an address: the answer names what is there instead, by method, by version and by likeness.

import { AppError } from "@signalbox/core/errors";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { sendProblem } from "./answer.ts";

export type Doors = {
  /** Prefixes of the versions, oldest first. */
  rest: string[];
  trpc: string;
};

const methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] as const;

/** Call it before anything is mounted: it remembers every address. */
export function createNotFound(app: FastifyInstance, doors: Doors) {
  const known: Known[] = [];
  app.addHook("onRoute", ({ method, url }) => {
    for (const each of [method].flat())
      if (each !== "HEAD" && !url.includes("*")) known.push({ method: each, path: url });
  });

  return (request: FastifyRequest, reply: FastifyReply): void => {
    const path = request.url.split("?", 1)[0] ?? "/";
    // The router is asked for every method only here, where a request has matched nothing.
    const allowed = methods.filter((method) => app.findRoute({ method, url: path }) !== null);
    if (allowed.length === 0) {
      sendProblem(request, reply, new AppError("not_found", nothingHere(request.method, path, doors, known)));
      return;
    }
    reply.header("allow", allowed.join(", "));
    if (request.method === "OPTIONS") {
      reply.code(204).send();
      return;
    }
    const detail = `${request.method} does not exist here; there is ${allowed.join(", ")}`;
    sendProblem(request, reply, new AppError("method_not_allowed", detail));
  };
}

type Known = { method: string; path: string };

function nothingHere(method: string, path: string, { rest, trpc }: Doors, known: Known[]): string {
  const parts = [`there is no ${method} ${path.slice(0, 200)}`];
  const alike = path.length <= longest ? nearest(path, known, rest) : [];
  if (alike.length > 0) parts.push(`nearest are ${alike.join(", ")}`);
  const version = /^\/v\d+(?=\/|$)/.exec(path)?.[0];
  if (version && !rest.includes(version)) parts.push(`${version} is no version of this API`);
  const described = rest.map((prefix) => `${prefix} (${prefix}/docs, ${prefix}/openapi.json)`).join(" and ");
  return `${parts.join("; ")}; there is ${described}, with the same procedures as tRPC under ${trpc}`;
}

/** No address of ours is longer, and who tries addresses by the thousand must not cost much. */
const longest = 80;

/** At most three addresses that differ by little, the version left aside. */
function nearest(path: string, known: Known[], prefixes: string[]): string[] {
  const asked = path
    .replace(/^\/v\d+(?=\/)/, "")
    .toLowerCase()
    .split("/");
  const wanted = asked.join("/");
  // The same address is there in several versions and for several methods.
  const measured = new Map<string, number>();
  const rated = known.flatMap(({ method, path: there }) => {
    const prefix = prefixes.findLast((prefix) => there.startsWith(`${prefix}/`)) ?? "";
    const below = there.slice(prefix.length);
    let far = measured.get(below);
    if (far === undefined) {
      far = farFrom(below, asked, wanted);
      measured.set(below, far);
    }
    return far === Infinity
      ? []
      : [{ far: far + (path.startsWith(`${prefix}/`) ? 0 : 0.5), name: `${method} ${there}` }];
  });
  rated.sort((a, b) => a.far - b.far || (a.name < b.name ? -1 : 1));
  return rated.slice(0, 3).map(({ name }) => name.replace(/:(\w+)/g, "{$1}"));
}

function farFrom(there: string, asked: string[], wanted: string): number {
  const parts = there.split("/");
  if (Math.abs(parts.length - asked.length) > 1) return Infinity;
  // A part that may be anything is as like as can be.
  const here = parts.map((part, at) => (part.startsWith(":") && asked[at] ? asked[at] : part)).join("/");
  return distance(wanted, here.toLowerCase(), Math.floor(Math.max(2, here.length / 4)));
}

/** How many letters must change (Levenshtein); more than `most` is not counted to its end. */
function distance(a: string, b: string, most: number): number {
  if (Math.abs(a.length - b.length) > most) return Infinity;
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    let least = i;
    for (let j = 1; j <= b.length; j++) {
      const far = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
      next[j] = far;
      if (far < least) least = far;
    }
    if (least > most) return Infinity;
    row = next;
  }
  return row[b.length]! > most ? Infinity : row[b.length]!;
}
