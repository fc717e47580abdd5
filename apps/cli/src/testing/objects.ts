// An S3 server of a test's own, in a folder.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "@signalbox/core/testing/free-port";
import { requireTool } from "../charts/tools.ts";
import { eventually } from "./harness.ts";

export async function startObjects() {
  const binary = await requireTool("versitygw", (text) => console.error(text));
  const folder = mkdtempSync(join(tmpdir(), "signalbox-objects-"));
  const [accessKeyId, secretAccessKey, port] = ["signalbox", "any/secret+key=of a test", await freePort()];
  const words = ["--port", `127.0.0.1:${port}`, "--health", "/health", "posix", folder];
  const server = spawn(binary, words, {
    env: { ...process.env, ROOT_ACCESS_KEY: accessKeyId, ROOT_SECRET_KEY: secretAccessKey },
    stdio: "ignore",
  });
  const endpoint = `http://127.0.0.1:${port}`;
  const isUp = () =>
    fetch(`${endpoint}/health`).then(
      ({ ok }) => ok,
      () => false,
    );
  await eventually(isUp, "the S3 server answers", 30_000);
  return {
    endpoint,
    accessKeyId,
    secretAccessKey,
    hold: () => void server.kill("SIGSTOP"),
    goOn: () => void server.kill("SIGCONT"),
    stop() {
      server.kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
