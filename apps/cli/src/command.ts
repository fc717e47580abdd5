// What a command is, and how its words are read: an unknown option names the nearest one.
import { parseArgs } from "node:util";
import { Fault } from "./fault.ts";
import { nearest } from "./nearest.ts";

export type Option = { type: "boolean" | "string"; short?: string; value?: string; text: string };
export type Values = Record<string, string | boolean | undefined>;

export type Command = {
  name: string;
  usage: string;
  text: string;
  options: Record<string, Option>;
  // How many plain words it takes; undefined where everything is passed on as it stands.
  words?: number;
  run(values: Values, words: string[]): Promise<number>;
};

export const dataDirOption: Record<string, Option> = {
  "data-dir": { type: "string", value: "DIR", text: "the install's data folder (default: .signalbox)" },
};

export function readArguments(command: Command, args: string[]) {
  if (command.words === undefined) return { values: {} as Values, words: args };
  const options: Record<string, Option> = {
    ...command.options,
    help: { type: "boolean", text: "" },
    debug: { type: "boolean", text: "" },
  };
  const see = `See: ./signalbox ${command.name} --help`;
  const { tokens } = parseArgs({ args, options, strict: false, allowPositionals: true, tokens: true });
  const values: Values = {};
  const words: string[] = [];
  for (const token of tokens ?? []) {
    if (token.kind === "positional") words.push(token.value);
    if (token.kind !== "option") continue;
    const option = options[token.name];
    if (!option) {
      const near = nearest(token.name, Object.keys(options));
      throw new Fault(
        `Unknown option ${token.rawName} for "${command.name}".`,
        near ? `Did you mean --${near}? ${see}` : see,
      );
    }
    if (option.type === "string") {
      if (!token.value || (!token.inlineValue && token.value.startsWith("-")))
        throw new Fault(`Option ${token.rawName} needs a value.`, see);
      values[token.name] = token.value;
    } else {
      if (token.value !== undefined) throw new Fault(`Option ${token.rawName} takes no value.`, see);
      values[token.name] = true;
    }
  }
  if (words.length > command.words)
    throw new Fault(`Unexpected "${words[command.words]}" after "${command.name}".`, see);
  return { values, words };
}

export function wholeNumber(values: Values, name: string, fallback: number, max = 65_535): number {
  const text = values[name];
  if (text === undefined) return fallback;
  const value = Number(text);
  if (!/^\d+$/.test(String(text)) || value > max)
    throw new Fault(`--${name} must be a whole number from 0 to ${max}.`, `Example: --${name} 1000`);
  return value;
}

export function commandHelp(command: Command): string {
  const rows = Object.entries(command.options).map(([name, option]) => {
    const left = `${option.short ? `-${option.short}, ` : "    "}--${name}${option.value ? ` ${option.value}` : ""}`;
    return `  ${left.padEnd(26)} ${option.text}`;
  });
  return [
    `./signalbox ${command.usage}`,
    "",
    command.text,
    ...(rows.length ? ["", "Options", ...rows] : []),
  ].join("\n");
}
