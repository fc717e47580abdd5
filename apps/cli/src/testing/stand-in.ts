// Stands in for a role in the supervisor's tests: answers 200 wherever that role would listen, and ends when asked to.
import { existsSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";

const {
  SIGNALBOX_DATA_DIR = "",
  PORT,
  SIGNALBOX_HEALTH_PORT,
  SIGNALBOX_GATEWAY_PORT,
  SIGNALBOX_STAND_IN,
} = process.env;

if (SIGNALBOX_STAND_IN === "broken") {
  console.log(JSON.stringify({ level: "error", msg: "SIGNALBOX_STAND_IN must not be broken" }));
  process.exit(1);
}

createServer((request, response) => {
  if (request.url === "/crash") process.exit(7);
  // As while a database is away: it answers, and is not ready.
  if (request.url === "/readyz" && existsSync(join(SIGNALBOX_DATA_DIR, "nobody-is-ready")))
    response.statusCode = 503;
  response.end(SIGNALBOX_STAND_IN ?? "");
  // 0: a role whose health is asked at its own port.
}).listen(Number(PORT ?? SIGNALBOX_HEALTH_PORT) || Number(SIGNALBOX_GATEWAY_PORT), "127.0.0.1");

process.on("SIGTERM", () => process.exit(0));
