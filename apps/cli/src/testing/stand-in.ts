// Stands in for a role in the supervisor's tests: answers 200 wherever that role would listen, and ends when asked to.
import { createServer } from "node:http";

const { PORT, SIGNALBOX_HEALTH_PORT, SIGNALBOX_GATEWAY_PORT, SIGNALBOX_STAND_IN } = process.env;

if (SIGNALBOX_STAND_IN === "broken") {
  console.log(JSON.stringify({ level: "error", msg: "SIGNALBOX_STAND_IN must not be broken" }));
  process.exit(1);
}

createServer((request, response) => {
  if (request.url === "/crash") process.exit(7);
  response.end(SIGNALBOX_STAND_IN ?? "");
}).listen(Number(PORT ?? SIGNALBOX_HEALTH_PORT ?? SIGNALBOX_GATEWAY_PORT), "127.0.0.1");

process.on("SIGTERM", () => process.exit(0));
