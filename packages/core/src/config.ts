// Everything that needs a restart to change, read once by each main.ts. What an operator may need at night is a setting
// of the control plane instead.

import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { z } from "zod";
import { isCountry } from "./countries.ts";

const port = z.coerce.number().int().min(0).max(65535);
const url = (example: string, protocols: RegExp) => {
  const error = `must be a URL such as ${example}`;
  return z
    .string()
    .regex(protocols, { error, abort: true })
    .refine((value) => URL.canParse(value.split(",")[0]!), { error });
};

/** Words with commas between them, each of one form. */
const list = (example: string, isGood: (word: string) => boolean) =>
  z
    .string()
    .default("")
    .transform((text) => text.split(/[\s,]+/).filter((word) => word !== ""))
    .refine((words) => words.every(isGood), { error: `must be a list such as ${example}` });

const isNetwork = (word: string) => {
  const [address = "", bits, ...more] = word.split("/");
  const width = { 0: -1, 4: 32, 6: 128 }[isIP(address)] ?? -1;
  return width > 0 && more.length === 0 && (bits === undefined || (/^\d{1,3}$/.test(bits) && +bits <= width));
};
const isOrigin = (word: string) =>
  URL.canParse(word) && /^https?:/.test(word) && new URL(word).origin === word;

const day = /^\d{4}-\d{2}-\d{2}$/;
const toDay = (text: string | undefined) =>
  text === undefined || !day.test(text) ? undefined : new Date(`${text}T00:00:00Z`);

/** `v1=2027-01-31/2027-12-31, v1:feed.home.read=2026-12-01`: what is deprecated, from when on, and when it ends. */
const deprecations = z
  .string()
  .default("")
  .transform((text, ctx) =>
    text
      .split(",")
      .map((part) => part.trim())
      .filter((part) => part !== "")
      .flatMap((part) => {
        const [, version, procedure, from, until] =
          /^(v\d+)(?::([\w.]+))?=([^/]+)(?:\/(.+))?$/.exec(part) ?? [];
        const [at, sunset] = [toDay(from), toDay(until)];
        if (version && at && !Number.isNaN(at.getTime()) && (until === undefined || (sunset && sunset > at)))
          return [{ version, procedure, at, sunset }];
        ctx.addIssue({
          code: "custom",
          message: `must be such as v1=2027-01-31/2027-12-31, v1:feed.home.read=2026-12-01; ${part} is not`,
        });
        return [];
      }),
  );

export const configSchema = z.object({
  DATABASE_URL: url("postgres://signalbox:secret@127.0.0.1:5432/signalbox", /^postgres(ql)?:\/\//),
  DATABASE_DIRECT_URL: url(
    "postgres://signalbox:secret@127.0.0.1:5432/signalbox",
    /^postgres(ql)?:\/\//,
  ).optional(),
  DATABASE_REPLICA_URLS: list(
    "postgres://signalbox:secret@replica-1:5432/signalbox, postgres://signalbox:secret@replica-2:5432/signalbox",
    (word) => /^postgres(ql)?:\/\//.test(word) && URL.canParse(word),
  ),
  REDIS_URL: url("redis://127.0.0.1:6379", /^(rediss?|redis\+(sentinel|cluster)|valkeys?):\/\//),
  SIGNALBOX_ROLE: z.enum(["all", "gateway", "service", "operator", "worker"]).default("all"),
  SIGNALBOX_SERVICES: z
    .string()
    .regex(
      /^([a-z][a-z0-9]*( *, *[a-z][a-z0-9]*)*|\*)$/i,
      "must be names with commas between them, such as users,feed, or * for all",
    )
    .transform((names) => [...new Set(names.split(/ *, */))])
    .optional(),
  SIGNALBOX_SERVICE_PORT: port.optional(),
  SIGNALBOX_ADVERTISE: z.string().min(1).max(253).optional(),
  SIGNALBOX_NAME: z.string().min(1).max(64).default("api"),
  SIGNALBOX_HOST: z.string().min(1).default("127.0.0.1"),
  SIGNALBOX_GATEWAY_PORT: port.default(8080),
  SIGNALBOX_OPERATOR_PORT: port.default(8081),
  SIGNALBOX_HEALTH_PORT: port.default(0),
  SIGNALBOX_PUBLIC_URL: url("http://127.0.0.1:8080", /^https?:\/\//).default("http://127.0.0.1:8080"),
  SIGNALBOX_CONSOLE_URL: url("http://127.0.0.1:3000", /^https?:\/\//).default("http://127.0.0.1:3000"),
  SIGNALBOX_DEPRECATIONS: deprecations,
  SIGNALBOX_TRUSTED_PROXIES: list("10.0.0.0/8, 192.168.1.7, fd00::/8", isNetwork),
  SIGNALBOX_CORS_ORIGINS: list(
    "https://app.example.com, http://localhost:5173",
    (word) => word === "*" || isOrigin(word),
  ),
  SIGNALBOX_REGIONS: list("DE, AT, CH", isCountry),
  SIGNALBOX_DATA_DIR: z.string().min(1).default(".signalbox"),
  SIGNALBOX_SECRET_FILE: z.string().min(1).optional(),
  SIGNALBOX_SECRET: z.string().min(32, "must have at least 32 characters").optional(),
  SIGNALBOX_MASTER_KEY_FILE: z.string().min(1).optional(),
  SIGNALBOX_OPERATOR_TOKEN_FILE: z.string().min(1).optional(),
  SIGNALBOX_RECOVERY_KEY_FILE: z.string().min(1).optional(),
  SIGNALBOX_BACKUP_DIR: z.string().min(1).optional(),
  SIGNALBOX_BACKUP_COPY: z.string().min(1).optional(),
  SIGNALBOX_BACKUP_HOURS: z.coerce.number().min(0.01).max(8_760).default(24),
  SIGNALBOX_BACKUP_KEEP: z.coerce.number().int().min(1).max(10_000).default(7),
  S3_ENDPOINT: url("https://s3.eu-central-1.amazonaws.com", /^https?:\/\//).optional(),
  S3_REGION: z.string().min(1).default("us-east-1"),
  S3_ACCESS_KEY_ID: z.string().min(1).optional(),
  S3_SECRET_ACCESS_KEY: z.string().min(1).optional(),
  S3_SECRET_ACCESS_KEY_FILE: z.string().min(1).optional(),
  SIGNALBOX_VERSION: z.string().default("0.2.0"),
  SIGNALBOX_COMMIT: z.string().default("unknown"),
  SIGNALBOX_TRACK: z.enum(["stable", "canary"]).default("stable"),
  SIGNALBOX_ZONE: z
    .string()
    .regex(/^[a-zA-Z][\w-]{0,62}$/, "must be a name such as eu-west-1a")
    .default("local"),
  SIGNALBOX_POOL_SIZE: z.coerce.number().int().min(1).max(200).default(10),
  SMTP_URL: url("smtp://user:secret@mail.example.com:587", /^smtps?:\/\//).optional(),
  SIGNALBOX_MAIL_FROM: z.string().min(3).max(254).default("Signalbox <signalbox@localhost>"),
  SIGNALBOX_ARGON2_KIB: z.coerce.number().int().min(7_168).max(1_048_576).default(19_456),
  SIGNALBOX_ARGON2_PASSES: z.coerce.number().int().min(1).max(10).default(2),
  LOG_LEVEL: z.enum(["trace", "debug", "info", "warn", "error", "fatal", "silent"]).default("info"),
  OTEL_EXPORTER_OTLP_ENDPOINT: url("http://127.0.0.1:4318", /^https?:\/\//).optional(),
});

/** Passwords that come as files, as containers are given them, and the addresses that they belong in. */
const passwordFiles: Record<string, string[]> = {
  DATABASE_PASSWORD_FILE: ["DATABASE_URL", "DATABASE_DIRECT_URL", "DATABASE_REPLICA_URLS"],
  REDIS_PASSWORD_FILE: ["REDIS_URL"],
};

export type Config = Readonly<z.infer<typeof configSchema>>;

/** The whole configuration, or one message with every fault in it, so that nobody mends them one restart at a time. */
export function readConfig(env: Record<string, string | undefined>): Config {
  // An empty variable is how Compose and shells spell "not set".
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ""));
  const unread = fillInPasswords(given);
  const parsed = configSchema.safeParse(given);
  const faults = (parsed.error?.issues ?? []).map((issue) => {
    const name = issue.path.join(".");
    return `  ${name} ${given[name] === undefined ? "is not set" : issue.message}`;
  });
  faults.push(...unread);
  const misfit = servicesMisfit(given.SIGNALBOX_ROLE ?? "all", given.SIGNALBOX_SERVICES);
  if (misfit !== undefined) faults.push(`  SIGNALBOX_SERVICES ${misfit}`);
  if (parsed.success && faults.length === 0) return Object.freeze(parsed.data);
  throw new ConfigError(
    `The configuration has ${faults.length} fault(s):\n${faults.join("\n")}\nSee .env.example for working values.`,
  );
}

/** Any password works: it is written into the URL as a URL wants it. Gives what could not be read. */
function fillInPasswords(given: Record<string, string | undefined>): string[] {
  const faults: string[] = [];
  for (const [variable, addresses] of Object.entries(passwordFiles)) {
    const file = given[variable];
    if (file === undefined) continue;
    try {
      const password = readFileSync(file, "utf8").replace(/\r?\n$/, "");
      for (const name of addresses) {
        const address = given[name];
        if (address === undefined || !URL.canParse(address.split(",")[0]!)) continue;
        given[name] =
          name === "DATABASE_REPLICA_URLS"
            ? address.replaceAll(/[^\s,]+/g, (one) => withPassword(one, password))
            : withPassword(address, password);
      }
    } catch (error) {
      faults.push(`  ${variable} names ${file}, which can not be read: ${(error as Error).message}`);
    }
  }
  return faults;
}

/** By hand, as some addresses name several hosts, which URL does not read. A password that is there already is replaced. */
function withPassword(address: string, password: string): string {
  const [, scheme = "", user = "", rest = ""] =
    /^([a-z+]+:\/\/)(?:([^/@:]*)(?::[^/@]*)?@)?(.*)$/s.exec(address) ?? [];
  return `${scheme}${user}:${encodeURIComponent(password)}@${rest}`;
}

function servicesMisfit(role: string, services: string | undefined): string | undefined {
  if (role === "service")
    return services === undefined
      ? "is not set, and SIGNALBOX_ROLE=service needs it: what this process serves, such as users,feed"
      : undefined;
  if (services === undefined || role === "gateway") return undefined;
  return role === "all"
    ? "goes with SIGNALBOX_ROLE=service or gateway; a process that is all serves every module, so leave it out"
    : `goes with SIGNALBOX_ROLE=service or gateway; ${role} serves no module, so leave it out`;
}

export class ConfigError extends Error {}
