// Calls to the operator API of a running install, with the token that its data folder keeps.
import type { DataDir } from "./data-dir.ts";
import { readSecret } from "./data-dir.ts";
import { Fault } from "./fault.ts";
import { readRunFile } from "./install.ts";

/** Nobody is there to answer, or nobody does. */
export class NoAnswer extends Fault {}

/** Longer than any act that is confirmed, also while a part hangs. */
const patienceMs = 30_000;

export type OperatorApi = {
  call<T>(method: "GET" | "POST" | "PUT", path: string, body?: object): Promise<T>;
  /** Where nothing is answered. */
  send(method: "POST" | "DELETE", path: string, body?: object): Promise<unknown>;
  fetch(path: string): Promise<Response>;
  /** All the way through every part; an install that is not well is no fault here, but an answer. */
  health(): Promise<DeepHealth>;
};

export type DeepHealth = {
  status: string;
  checks: Record<string, { status: "pass" | "warn" | "fail"; output?: string; observedMs?: number }[]>;
};

/** In a container the install's processes are elsewhere, and the environment says where. */
function reachFromEnvironment(): { operator: string; operatorToken: string } | undefined {
  const { SIGNALBOX_OPERATOR_URL: operator, SIGNALBOX_OPERATOR_TOKEN_FILE: operatorToken } = process.env;
  return operator && operatorToken ? { operator, operatorToken } : undefined;
}

export function operatorApi(dir: DataDir): OperatorApi {
  const run = readRunFile(dir) ?? reachFromEnvironment();
  if (!run)
    throw new NoAnswer(
      `No install runs in ${dir.path}.`,
      "Start it first: ./signalbox up, or name its --data-dir.",
    );
  const { operator } = run;
  const authorization = `Bearer ${readSecret(run.operatorToken)}`;

  const ask = (method: string, path: string, body?: object): Promise<Response> =>
    fetch(operator + path, {
      method,
      headers: { authorization, ...(body ? { "content-type": "application/json" } : {}) },
      ...(body ? { body: JSON.stringify(body) } : {}),
      signal: AbortSignal.timeout(patienceMs),
    }).catch(() => {
      throw new NoAnswer(
        `The operator API at ${operator} does not answer.`,
        "See what runs: ./signalbox status",
      );
    });

  async function send(method: string, path: string, body?: object): Promise<Response> {
    const response = await ask(method, path, body);
    if (response.ok) return response;
    const problem = (await response.json().catch(() => ({}))) as { detail?: string; requestId?: string };
    throw new Fault(
      `The install refused: ${problem.detail ?? `status ${response.status}`}.`,
      problem.requestId ? `Request ${problem.requestId} in ./signalbox logs api tells more.` : "",
    );
  }

  return {
    call: async <T>(method: "GET" | "POST" | "PUT", path: string, body?: object) =>
      (await (await send(method, path, body)).json()) as T,
    send,
    fetch: (path) => send("GET", path),
    async health() {
      const response = await ask("GET", "/healthz?deep=1");
      if (response.status !== 200 && response.status !== 503)
        throw new Fault(`The operator API answered ${response.status} to a question about its health.`, "");
      return (await response.json()) as DeepHealth;
    },
  };
}
