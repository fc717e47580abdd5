// The small port on which a process says how it is, apart from where its work comes in: /livez, /readyz, /metrics.

import { createServer, type Server } from "node:http";
import type { Health, HealthReport } from "./health.ts";

export type HealthServer = { port: number; close(): Promise<void> };

export function serveHealth(options: {
  host: string;
  port: number;
  health: Health;
  /** Prometheus text. */
  metrics: () => string | Promise<string>;
}): Promise<HealthServer> {
  const { host, port, health, metrics } = options;
  const server: Server = createServer(async (request, response) => {
    const path = request.url?.split("?")[0];
    const send = (status: number, type: string, body: string) =>
      response.writeHead(status, { "content-type": type, "cache-control": "no-store" }).end(body);
    const report = (of: HealthReport) =>
      send(of.status === "fail" ? 503 : 200, "application/health+json", JSON.stringify(of));
    try {
      if (path === "/livez") report(health.live());
      else if (path === "/readyz") report(await health.ready());
      else if (path === "/metrics") send(200, "text/plain; version=0.0.4", await metrics());
      else send(404, "text/plain", "There is /livez, /readyz and /metrics here.\n");
    } catch (error) {
      send(500, "text/plain", `${error instanceof Error ? error.message : String(error)}\n`);
    }
  });
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const why =
        error.code === "EADDRINUSE"
          ? "another process listens there; set SIGNALBOX_HEALTH_PORT"
          : error.message;
      reject(new Error(`The health port ${host}:${port} could not be opened: ${why}`));
    });
    server.listen(port, host, () => {
      const address = server.address();
      resolve({
        port: typeof address === "object" && address ? address.port : port,
        close: () =>
          new Promise((closed) => {
            server.close(() => closed());
            server.closeAllConnections();
          }),
      });
    });
  });
}

/** `name{label="value"} number` lines for numbers that are asked for, not counted. */
export function gauges(values: Record<string, number | undefined>): string {
  return Object.entries(values)
    .filter(([, value]) => value !== undefined && Number.isFinite(value))
    .map(([name, value]) => `${name} ${value}\n`)
    .join("");
}
