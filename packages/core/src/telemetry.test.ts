import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, test } from "node:test";
import { AppError } from "./errors.ts";
import { createLogger } from "./log.ts";
import { isTracing, rootSpan, span, startTelemetry, type Telemetry } from "./telemetry.ts";

const log = createLogger({ name: "test", level: "silent" });
const traceId = "0af7651916cd43dd8448eb211c80319c";
const traceparent = `00-${traceId}-b7ad6b7169203331-01`;

type Sent = {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  kind: number;
  status: { code?: number };
  attributes: { key: string; value: { stringValue?: string; intValue?: number } }[];
};

let receiver: Server | undefined;
let telemetry: Telemetry | undefined;

/** The smallest collector: takes OTLP over HTTP and keeps what it was sent. */
async function collect(): Promise<{ spans: Sent[]; resources: string[] }> {
  const got = { spans: [] as Sent[], resources: [] as string[] };
  receiver = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      assert.equal(request.url, "/v1/traces");
      const body = JSON.parse(Buffer.concat(chunks).toString());
      for (const { resource, scopeSpans } of body.resourceSpans) {
        got.resources.push(JSON.stringify(resource.attributes));
        for (const { spans } of scopeSpans) got.spans.push(...spans);
      }
      response.writeHead(200, { "content-type": "application/json" }).end("{}");
    });
  });
  await new Promise<void>((resolve) => receiver!.listen(0, "127.0.0.1", resolve));
  const { port } = receiver.address() as AddressInfo;
  telemetry = await startTelemetry({
    endpoint: `http://127.0.0.1:${port}/`,
    service: "api",
    version: "1.2.3",
    instance: "api-1",
    log,
  });
  return got;
}

afterEach(async () => {
  await telemetry?.close();
  receiver?.close();
  telemetry = undefined;
  receiver = undefined;
});

const call = (work: () => Promise<unknown>, parentSpanId?: string) =>
  rootSpan(
    {
      name: "feed.post.create",
      traceparent,
      ...(parentSpanId ? { parentSpanId } : {}),
      kind: "server",
      attributes: { "signalbox.request_id": "request-1" },
    },
    work,
  );

test("without an endpoint nothing is loaded and work just runs", async () => {
  const off = await startTelemetry({ endpoint: undefined, service: "api", version: "1", instance: "i", log });
  assert.equal(off.enabled, false);
  assert.equal(isTracing(), false);
  assert.equal(await call(() => span("inner", {}, async () => 7)), 7);
});

test("a call and the work in it arrive at the collector, in the caller's trace", async () => {
  const got = await collect();
  await call(() => span("db.query", { "db.system.name": "postgresql" }, async () => {}), "00f067aa0ba902b7");
  await telemetry!.flush();
  const [inner, outer] = got.spans;
  assert.deepEqual(
    [outer?.name, outer?.traceId, outer?.spanId, outer?.parentSpanId, outer?.kind],
    ["feed.post.create", traceId, "b7ad6b7169203331", "00f067aa0ba902b7", 2],
  );
  assert.deepEqual([inner?.name, inner?.traceId, inner?.parentSpanId], ["db.query", traceId, outer?.spanId]);
  assert.equal(
    outer?.attributes.find(({ key }) => key === "signalbox.request_id")?.value.stringValue,
    "request-1",
  );
  assert.match(got.resources[0]!, /"service.name".*"api".*"service.version".*"1.2.3"/);
});

test("without a caller's span the call is the root of its trace", async () => {
  const got = await collect();
  await call(async () => {});
  await telemetry!.flush();
  assert.deepEqual([got.spans[0]?.traceId, got.spans[0]?.spanId], [traceId, "b7ad6b7169203331"]);
  assert.ok(!got.spans[0]?.parentSpanId);
});

test("our failures are failures in the trace, a caller's mistakes are not", async () => {
  const got = await collect();
  await assert.rejects(call(() => Promise.reject(new AppError("unavailable", "the database is away"))));
  await assert.rejects(call(() => Promise.reject(new AppError("not_found", "nothing here"))));
  await assert.rejects(call(() => Promise.reject(new Error("boom"))));
  await telemetry!.flush();
  assert.deepEqual(
    got.spans.map(({ status }) => status.code ?? 0),
    [2, 0, 2],
  );
  assert.equal(
    got.spans[0]?.attributes.find(({ key }) => key === "error.type")?.value.stringValue,
    "unavailable",
  );
});

test("a trace that its caller does not want is not recorded", async () => {
  const got = await collect();
  await rootSpan(
    { name: "x", traceparent: traceparent.replace(/01$/, "00"), kind: "server", attributes: {} },
    async () => {},
  );
  await telemetry!.flush();
  assert.equal(got.spans.length, 0);
});
