// Traces, where somebody collects them. Without an endpoint no SDK is loaded and a span costs one comparison.

import { AsyncLocalStorage } from "node:async_hooks";
import type { Context, Span, Tracer } from "@opentelemetry/api";
import type { Logger } from "./log.ts";
import { readTraceparent } from "./trace-context.ts";

export type Attributes = Record<string, string | number | boolean>;
export type Telemetry = { readonly enabled: boolean; flush(): Promise<void>; close(): Promise<void> };

type Tracing = {
  api: typeof import("@opentelemetry/api");
  tracer: Tracer;
  active: AsyncLocalStorage<Span>;
  /** The next root span takes these ids: logs, events and callers further on have them already. */
  ids: { traceId: string; spanId: string } | undefined;
};

// One a process, as OpenTelemetry's own is, so that a verb can mark a span without being handed anything.
let tracing: Tracing | undefined;

export const isTracing = (): boolean => tracing !== undefined;

export async function startTelemetry(deps: {
  endpoint: string | undefined;
  service: string;
  version: string;
  instance: string;
  log: Logger;
}): Promise<Telemetry> {
  const { endpoint, service, version, instance, log } = deps;
  if (endpoint === undefined) return { enabled: false, flush: async () => {}, close: async () => {} };
  const [api, sdk, { OTLPTraceExporter }] = await Promise.all([
    import("@opentelemetry/api"),
    import("@opentelemetry/sdk-trace"),
    import("@opentelemetry/exporter-trace-otlp-http"),
  ]);
  const note = (text: string) => log.debug({ text }, "telemetry");
  let warnedAt = Number.NEGATIVE_INFINITY;
  const warn = (text: string) => {
    // A collector that is away fails every second; one line in a while is enough.
    if (performance.now() - warnedAt < 60_000) return;
    warnedAt = performance.now();
    log.warn({ text }, "traces could not be sent");
  };
  api.diag.setLogger(
    { error: warn, warn: note, info: note, debug: note, verbose: note },
    { logLevel: api.DiagLogLevel.WARN, suppressOverrideMessage: true },
  );

  const random = new sdk.RandomIdGenerator();
  const attributes = {
    "service.name": service,
    "service.version": version,
    "service.instance.id": instance,
    "service.namespace": "signalbox",
  };
  const provider = new sdk.TracerProvider({
    resource: {
      attributes,
      merge: (other) => other ?? resource(),
      getRawAttributes: () => Object.entries(attributes),
    },
    idGenerator: {
      generateTraceId: () => tracing?.ids?.traceId ?? random.generateTraceId(),
      generateSpanId: () => tracing?.ids?.spanId ?? random.generateSpanId(),
    },
    spanProcessors: [
      new sdk.BatchSpanProcessor({
        exporter: new OTLPTraceExporter({
          url: `${endpoint.replace(/\/+$/, "")}/v1/traces`,
          timeoutMillis: 5_000,
        }),
        scheduledDelayMillis: 1_000,
      }),
    ],
  });
  function resource(): never {
    throw new Error("the resource of traces is not merged with anything");
  }

  tracing = {
    api,
    tracer: provider.getTracer("signalbox", version),
    active: new AsyncLocalStorage(),
    ids: undefined,
  };
  return {
    enabled: true,
    flush: () => provider.forceFlush(),
    async close() {
      tracing = undefined;
      await provider.shutdown();
      api.diag.disable();
    },
  };
}

/** A piece of work inside a call. Outside of any call, or without a collector, it is just the work. */
export function span<T>(name: string, attributes: Attributes, work: () => Promise<T>): Promise<T> {
  const parent = tracing?.active.getStore();
  if (tracing === undefined || parent === undefined) return work();
  const { api, tracer } = tracing;
  return run(tracer.startSpan(name, { attributes }, api.trace.setSpan(api.ROOT_CONTEXT, parent)), work);
}

/**
 * The span of a whole call or job. It takes the ids of its `traceparent`, because everything that the call causes names those
 * as its origin; `parentSpanId` is the caller's own span, where it sent one.
 */
export function rootSpan<T>(
  root: {
    name: string;
    traceparent: string;
    parentSpanId?: string;
    kind: "server" | "consumer";
    attributes: Attributes;
  },
  work: () => Promise<T>,
): Promise<T> {
  const context = tracing && readTraceparent(root.traceparent);
  if (tracing === undefined || context === undefined || !context.sampled) return work();
  const { api, tracer } = tracing;
  const { traceId, spanId } = context;
  const parent: Context =
    root.parentSpanId === undefined
      ? api.ROOT_CONTEXT
      : api.trace.setSpanContext(api.ROOT_CONTEXT, {
          traceId,
          spanId: root.parentSpanId,
          traceFlags: api.TraceFlags.SAMPLED,
          isRemote: true,
        });
  const kind = root.kind === "server" ? api.SpanKind.SERVER : api.SpanKind.CONSUMER;
  tracing.ids = { traceId, spanId };
  let started: Span;
  try {
    started = tracer.startSpan(root.name, { kind, attributes: root.attributes }, parent);
  } finally {
    tracing.ids = undefined;
  }
  return run(started, work);
}

async function run<T>(started: Span, work: () => Promise<T>): Promise<T> {
  const { active, api } = tracing!;
  try {
    return await active.run(started, work);
  } catch (error) {
    const status = error instanceof Error && "status" in error ? Number(error.status) : 500;
    if (error instanceof Error && "code" in error) started.setAttribute("error.type", String(error.code));
    started.setAttribute("http.response.status_code", status);
    // A caller's own mistake is an answer, not a failure of ours.
    if (status >= 500)
      started.setStatus({
        code: api.SpanStatusCode.ERROR,
        message: error instanceof Error ? error.message : String(error),
      });
    throw error;
  } finally {
    started.end();
  }
}
