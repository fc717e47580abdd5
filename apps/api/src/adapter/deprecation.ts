// What is going away says so in every answer: since when, until when, and what takes its place (RFC 9745, 8594, 5829).

import type { Asked, Reply } from "./exchange.ts";

export type Deprecation = {
  version: string;
  /** Absent: the whole version. */
  procedure?: string | undefined;
  /** From when on callers should stop using it. It may lie ahead. */
  at: Date;
  /** When it stops working. */
  sunset?: Date | undefined;
};

type Announce = (request: Asked, reply: Reply) => void;

/** `prefix` is the version's own, `successor` that of the version after it. */
export function compileDeprecation(
  { at, sunset }: Deprecation,
  { prefix, successor }: { prefix: string; successor: string | undefined },
): Announce {
  const headers = {
    deprecation: `@${Math.floor(at.getTime() / 1000)}`,
    ...(sunset ? { sunset: sunset.toUTCString() } : {}),
  };
  const about = `<${successor ?? prefix}/docs>; rel="deprecation"; type="text/html"`;
  return (request, reply) => {
    reply.headers(headers);
    if (successor === undefined) reply.header("link", about);
    else reply.header("link", `<${successor}${pathOf(request, prefix)}>; rel="successor-version", ${about}`);
  };
}

/** A caller writes the address, so it may hold what would end the link. */
const pathOf = ({ url }: Asked, prefix: string) =>
  url
    .split("?", 1)[0]!
    .slice(prefix.length)
    .replace(/[^\w/.~%-]/g, encodeURIComponent);
