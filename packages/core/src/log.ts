// One shape for every log line, in every process: JSON with service, requestId and traceId, personal data taken out.

import { type Logger as PinoLogger, pino } from "pino";

export type Logger = PinoLogger;

// A field of one of these names never reaches a log, at the top of a line or one or two levels down.
const secretFields = [
  "password",
  "token",
  "accessToken",
  "refreshToken",
  "secret",
  "authorization",
  "cookie",
  "email",
  "phone",
  "login",
];

export function createLogger(options: {
  name: string;
  level?: string;
  version?: string;
  track?: string;
  destination?: { write(line: string): void };
}): Logger {
  const { name, level = "info", version, track, destination } = options;
  return pino(
    {
      level,
      base: { service: name, pid: process.pid, version, track },
      messageKey: "msg",
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: {
        paths: secretFields.flatMap((field) => [field, `*.${field}`, `*.*.${field}`, `headers["${field}"]`]),
        censor: "[redacted]",
      },
      serializers: { error: describeError, err: describeError },
    },
    destination ?? pino.destination({ dest: 1, sync: true }),
  );
}

function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const cause = error.cause === undefined ? {} : { cause: describeError(error.cause) };
  return {
    type: error.name,
    message: error.message,
    stack: error.stack,
    ...("code" in error ? { code: error.code } : {}),
    ...cause,
  };
}
