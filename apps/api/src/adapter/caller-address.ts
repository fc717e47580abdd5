// Whose address a request counts for: the socket's, or what trusted proxies say that they heard.
// Of the headers only X-Forwarded-For is read: a proxy that writes it may pass on a Forwarded that the caller wrote.

import type { IncomingMessage } from "node:http";
import { BlockList, isIP, isIPv4 } from "node:net";
import type { FastifyRequest } from "fastify";

export type Trust = (address: string) => boolean;

/** `10.0.0.0/8`, `fd00::/8` or single addresses; configuration has checked their form. */
export function trustProxies(proxies: string[]): Trust {
  const list = new BlockList();
  for (const proxy of proxies) {
    const [address = "", bits] = proxy.split("/");
    const family = isIPv4(address) ? "ipv4" : "ipv6";
    if (bits === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(bits), family);
  }
  return (address) => isIP(address) !== 0 && list.check(address, isIPv4(address) ? "ipv4" : "ipv6");
}

export function addressOf(
  { socket, headers }: Pick<IncomingMessage, "socket" | "headers">,
  trust: Trust,
): string {
  let address = plain(socket.remoteAddress ?? "");
  const forwarded = headers["x-forwarded-for"];
  if (forwarded === undefined || !trust(address)) return address;
  // From the right: each proxy adds whom it heard, and what stands left of the last trusted one is hearsay.
  for (const hop of String(forwarded).split(",").reverse()) {
    const heard = readHop(hop.trim());
    if (heard === undefined) break;
    address = heard;
    if (!trust(address)) break;
  }
  return address;
}

/** Whether anyone stands between: then a socket from this machine says nothing about the caller. */
export const isForwarded = ({ headers }: Pick<FastifyRequest, "headers">): boolean =>
  headers["x-forwarded-for"] !== undefined || headers.forwarded !== undefined;

/** Some proxies write a port as well. */
function readHop(hop: string): string | undefined {
  const bare = /^\[(.+)\](?::\d+)?$/.exec(hop)?.[1] ?? /^([\d.]+):\d+$/.exec(hop)?.[1] ?? hop;
  return isIP(bare) ? plain(bare) : undefined;
}

/** One spelling for an IPv4 caller, whichever kind of socket took it. */
const plain = (address: string) =>
  address.includes(":") ? address.replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, "") : address;
