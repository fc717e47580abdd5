// What erase and export share: following a request until it is done, step by step.
import { setTimeout as pause } from "node:timers/promises";
import { Fault } from "./fault.ts";
import type { OperatorApi } from "./operator-api.ts";
import { dim, green, yellow } from "./screen.ts";

export type Request = {
  id: string;
  state: "waiting" | "running" | "done" | "failed";
  steps: { name: string; count: number }[];
  total: number;
  error: string | null;
  archive: string | null;
};
export type Traces = {
  userId: string;
  handle: string | null;
  email: string | null;
  items: { place: string; count: number }[];
  places: number;
  total: number;
};

const askEveryMs = 300;

export async function follow(api: OperatorApi, begun: Request): Promise<Request> {
  let shown = 0;
  let warned: string | null = null;
  for (
    let request = begun;
    ;
    request = await api.call<Request>("GET", `/operator/v1/personal-requests/${begun.id}`)
  ) {
    // A round that begins anew has done less than was shown.
    if (request.steps.length < shown) shown = 0;
    for (const { name, count } of request.steps.slice(shown)) {
      shown += 1;
      console.log(
        `  ${green("✓")} ${`${shown}/${request.total}`.padEnd(6)} ${name.padEnd(28)} ${dim(String(count))}`,
      );
    }
    if (request.state === "done") return request;
    if (request.state === "failed")
      throw new Fault(`It failed: ${request.error}`, "Mend what it names, then run the same command again.");
    if (request.error && request.error !== warned) {
      warned = request.error;
      console.log(`  ${yellow("!")} ${request.error}; it is tried again`);
    }
    await pause(askEveryMs);
  }
}

export async function search(api: OperatorApi, user: string, known: Partial<Traces> = {}): Promise<Traces> {
  const query = new URLSearchParams();
  for (const name of ["handle", "email"] as const) if (known[name]) query.set(name, known[name]);
  return api.call("GET", `/operator/v1/users/${encodeURIComponent(user)}/traces?${query}`);
}

export function showTraces({ items, places, total }: Traces): void {
  for (const { place, count } of items) console.log(`  ${place.padEnd(44)} ${count}`);
  console.log(
    total === 0
      ? `  ${green("✓")} nothing: ${places} columns and keys were searched`
      : `  ${total} traces in ${items.length} of ${places} columns and keys`,
  );
}
