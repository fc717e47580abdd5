// The copy of the settings that this process decides by: the last document that parsed. Reading it never waits.

import { compile, type Rules } from "./evaluate.ts";
import { type Settings, type SettingsInput, settingsSchema } from "./settings.ts";

export type LiveStatus = {
  revision: number;
  /** The hash of the event at this revision: what the log must still say. */
  head: string;
  source: "defaults" | "snapshot" | "push" | "poll" | "own change";
  /** Keys that the local override file decides here, whatever the log says. */
  overridden: string[];
};

export type Live = {
  current(): Settings;
  /** The same settings made ready for questions in a request. */
  rules(): Rules;
  readonly revision: number;
  status(): LiveStatus;
  onChange(listener: (status: LiveStatus) => void): () => void;
  start(): Promise<void>;
  close(): Promise<void>;
};

/** Settings that stay as given, for tests and tools. */
export function fixedLive(given: SettingsInput = {}): Live & { set(settings: SettingsInput): void } {
  let settings = settingsSchema.parse(given);
  let rules = compile(settings);
  let revision = 0;
  const status = (): LiveStatus => ({ revision, head: "", source: "defaults", overridden: [] });
  const listeners = new Set<(status: LiveStatus) => void>();
  return {
    current: () => settings,
    rules: () => rules,
    get revision() {
      return revision;
    },
    status,
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    start: async () => {},
    close: async () => {},
    set(next) {
      settings = settingsSchema.parse(next);
      rules = compile(settings);
      revision += 1;
      for (const listener of listeners) listener(status());
    },
  };
}
