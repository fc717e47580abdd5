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

  async function send(method: string, path: string, body?: object): Promise<Response> {
    const response = await fetch(operator + path, {
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
  };
}
