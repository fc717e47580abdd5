// A role is one process of an install, as data: how it is launched, when it counts as ready, how it is ended.
import { get } from "node:http";
import type { Configuration } from "../configuration.ts";

export type Launch = {
  command: string;
  args: string[];
  cwd: string;
  env: Record<string, string>;
  uid?: number;
  gid?: number;
};

export type Role = {
  name: string;
  launch: (configuration: Configuration) => Launch;
  isReady: () => Promise<boolean>;
  // Whether it answers at all: what it needs may be away, and then starting it again would help nobody.
  isLive?: () => Promise<boolean>;
  readyWithinMs: number;
  stopSignal: NodeJS.Signals;
  stopWithinMs: number;
  // The user's part of its environment; absent where there is none, as with the engines.
  configuration?: Configuration;
};

export type Step =
  // Roles of one step start together, and the next step waits for all of them.
  | { kind: "roles"; roles: Role[] }
  | { kind: "task"; name: string; run: Task }
  // Part of the next step, not worth a line of its own.
  | { kind: "quiet"; run: Task };

// The signal says that the install is being stopped meanwhile.
export type Task = (say: (text: string) => void, signal: AbortSignal) => Promise<void>;

// node:http rather than fetch: the supervisor stays some megabytes smaller.
export function answers(url: string): Promise<boolean> {
  return new Promise((resolve) => {
    const request = get(url, { agent: false, timeout: 3000 }, (response) => {
      response.resume();
      resolve((response.statusCode ?? 500) < 400);
    });
    request.once("timeout", () => request.destroy());
    request.once("error", () => resolve(false));
  });
}
