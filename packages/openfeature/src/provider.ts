// OpenFeature's server provider for Node.js: holds an application's rules and decides in its own process, so that evaluating waits
// for nobody, and what was last known holds for as long as we are away.

import {
  ErrorCode,
  type EvaluationContext,
  type JsonValue,
  OpenFeatureEventEmitter,
  type Provider,
  ProviderEvents,
  type ResolutionDetails,
  StandardResolutionReasons,
} from "@openfeature/server-sdk";
import { compile, type Rules } from "@signalbox/control/evaluate";
import { settingsSchema } from "@signalbox/control/settings";

export type SignalboxOptions = {
  /** The gateway's address, such as https://api.example.com. */
  url: string;
  /** An application's key, whose scopes name `switches` and the switches themselves. */
  apiKey: string;
  /** How often to ask where the stream is cut; each time by a fifth more or less. */
  pollMs?: number;
  fetch?: typeof fetch;
};

type Book = {
  revision: number;
  keys: string[];
  switches: object;
  tags: Record<string, string[]>;
  stream: string;
};

const requestMs = 5_000;
const longestPauseMs = 30_000;

export class SignalboxProvider implements Provider {
  readonly metadata = { name: "Signalbox" };
  readonly runsOn = "server";
  readonly events = new OpenFeatureEventEmitter();
  readonly #options: Required<SignalboxOptions>;
  #rules: Rules | undefined;
  #keys: ReadonlySet<string> = new Set();
  #book = "";
  #stream = "";
  #timer: NodeJS.Timeout | undefined;
  readonly #closing = new AbortController();

  constructor(options: SignalboxOptions) {
    this.#options = { pollMs: 5_000, fetch, ...options };
  }

  async initialize(): Promise<void> {
    this.#plan();
    await this.#read();
    void this.#listen();
  }

  async onClose(): Promise<void> {
    clearTimeout(this.#timer);
    this.#closing.abort();
  }

  async resolveBooleanEvaluation(
    key: string,
    fallback: boolean,
    context: EvaluationContext,
  ): Promise<ResolutionDetails<boolean>> {
    if (!this.#rules) return refused(fallback, ErrorCode.PROVIDER_NOT_READY, "no rules have been read yet");
    if (!this.#keys.has(key))
      return refused(fallback, ErrorCode.FLAG_NOT_FOUND, `no switch of this application is called ${key}`);
    const { targetingKey: unit, ...attributes } = context;
    const known = unit === undefined ? attributes : { user: unit, ...attributes };
    const decision = this.#rules.decide(key, unit ?? "", Date.now(), known);
    if (decision.reason === "SPLIT" && unit === undefined)
      return refused(fallback, ErrorCode.TARGETING_KEY_MISSING, "a share goes by targetingKey");
    return {
      value: decision.on,
      variant: decision.on ? "on" : "off",
      reason: decision.reason,
      flagMetadata: decision.on ? {} : { message: decision.message },
    };
  }

  resolveStringEvaluation = async (_key: string, fallback: string) => notBoolean(fallback);
  resolveNumberEvaluation = async (_key: string, fallback: number) => notBoolean(fallback);
  resolveObjectEvaluation = async <T extends JsonValue>(_key: string, fallback: T) => notBoolean(fallback);

  async #read(): Promise<void> {
    const { url, apiKey, fetch } = this.#options;
    const answer = await fetch(new URL("/v1/switches/rules", url), {
      headers: { "x-api-key": apiKey },
      signal: AbortSignal.any([AbortSignal.timeout(requestMs), this.#closing.signal]),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`Signalbox answered ${answer.status}: ${text.slice(0, 300)}`);
    if (text === this.#book) return;
    const { keys, switches, tags, stream } = JSON.parse(text) as Book;
    // What does not parse leaves the last good rules in force.
    const rules = compile(settingsSchema.parse({ switches }), (name) => tags[name] ?? []);
    const isFirst = this.#rules === undefined;
    this.#rules = rules;
    this.#keys = new Set(keys);
    this.#book = text;
    this.#stream = stream;
    if (!isFirst) this.events.emit(ProviderEvents.ConfigurationChanged, { flagsChanged: keys });
  }

  #plan(): void {
    if (this.#closing.signal.aborted) return;
    this.#timer = setTimeout(
      () =>
        void this.#read().then(
          () => this.#plan(),
          () => this.#plan(),
        ),
      this.#options.pollMs * (0.8 + Math.random() * 0.4),
    );
    this.#timer.unref();
  }

  /** Told of changes, it reads anew; cut off, it comes back after a pause that grows, and differs from everybody else's. */
  async #listen(): Promise<void> {
    const { url, fetch } = this.#options;
    const { signal } = this.#closing;
    let pauseMs = 500;
    while (!signal.aborted) {
      try {
        const answer = await fetch(new URL(this.#stream, url), { signal });
        if (!answer.ok || !answer.body) throw new Error(`the stream answered ${answer.status}`);
        // What was changed while nobody listened.
        await this.#read();
        pauseMs = 500;
        for await (const chunk of answer.body.pipeThrough(new TextDecoderStream()))
          if (chunk.includes("refetchEvaluation")) await this.#read();
      } catch {
        // The poll goes on meanwhile, and the address may have become old.
      }
      pauseMs = Math.min(longestPauseMs, pauseMs + Math.random() * pauseMs * 2);
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, pauseMs);
        timer.unref();
        signal.addEventListener("abort", resolve, { once: true });
      });
    }
  }
}

const refused = <T>(value: T, errorCode: ErrorCode, errorMessage: string): ResolutionDetails<T> => ({
  value,
  reason: StandardResolutionReasons.ERROR,
  errorCode,
  errorMessage,
});

const notBoolean = <T>(fallback: T): ResolutionDetails<T> =>
  refused(fallback, ErrorCode.TYPE_MISMATCH, "a switch is on or off: ask for a boolean");
