// Callers that keep coming while something is replaced: reads and writes over kept connections, and each answer that is none.
import { Agent, request } from "node:http";
import { setTimeout as pause } from "node:timers/promises";

export type Load = { stop(): Promise<{ good: number; bad: string[] }> };

export function startLoad(origin: string, callers = 3): Load {
  const agent = new Agent({ keepAlive: true, maxSockets: callers });
  const bad: string[] = [];
  let good = 0;
  let isOver = false;
  const call = (method: "GET" | "POST") =>
    new Promise<void>((resolve) => {
      const fail = (why: string) => {
        bad.push(`${method} ${why}`);
        resolve();
      };
      const path = method === "GET" ? "/.well-known/jwks.json" : "/v1/auth/login";
      const asked = request(
        `${origin}${path}`,
        { method, agent, headers: method === "POST" ? { "content-type": "application/json" } : {} },
        (answer) => {
          let text = "";
          answer.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
          answer.once("error", ({ message }) => fail(message));
          answer.once("end", () => {
            const { statusCode: status = 0 } = answer;
            // Nobody of that name: 401, or 429 after a while.
            if (method === "GET" ? status === 200 : status === 401 || status === 429) good += 1;
            else fail(`was answered ${status} at ${new Date().toISOString()}: ${text.slice(0, 200)}`);
            resolve();
          });
        },
      );
      asked.once("error", ({ message }) => fail(message));
      asked.end(method === "POST" ? '{"login":"nobody_here","password":"not-the-password"}' : undefined);
    });
  const working = Promise.all(
    Array.from({ length: callers }, async (_, caller) => {
      while (!isOver) {
        await call(caller === 0 ? "POST" : "GET");
        await pause(50);
      }
    }),
  );
  return {
    async stop() {
      isOver = true;
      await working;
      agent.destroy();
      return { good, bad };
    },
  };
}
