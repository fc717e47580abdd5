// The command line: finds the command, reads its words, and turns every failure into one line and exit code 1.
import { type Command, commandHelp, readArguments } from "./command.ts";
import { Fault, faultLine, toFault } from "./fault.ts";
import { nearest } from "./nearest.ts";
import { platformVersion } from "./repository.ts";

const commands: Record<string, { text: string; load: () => Promise<{ command: Command }> }> = {
  up: { text: "start the platform on this machine", load: () => import("./commands/up.ts") },
  down: { text: "stop it", load: () => import("./commands/down.ts") },
  status: { text: "show what runs, and where", load: () => import("./commands/status.ts") },
  "sign-in": {
    text: "print a link to the console for an operator, by name",
    load: () => import("./commands/sign-in.ts"),
  },
  logs: { text: "show the logs of all services or of one", load: () => import("./commands/logs.ts") },
  doctor: {
    text: "check the machine and every dependency, and name the mend",
    load: () => import("./commands/doctor.ts"),
  },
  export: { text: "write everything of a user to an archive", load: () => import("./commands/export.ts") },
  erase: { text: "erase a user, and prove it", load: () => import("./commands/erase.ts") },
  switch: {
    text: "turn things off and on, also while all else is down",
    load: () => import("./commands/switch.ts"),
  },
  audit: { text: "prove that nobody edited the log of operators", load: () => import("./commands/audit.ts") },
  judge: {
    text: "say what the judge of canaries makes of recorded signals",
    load: () => import("./commands/judge.ts"),
  },
  deadletters: {
    text: "show and replay events that could not be handled",
    load: () => import("./commands/deadletters.ts"),
  },
  rebuild: {
    text: "make a read model from the truth again, while it is in use",
    load: () => import("./commands/rebuild.ts"),
  },
  backup: { text: "copy everything, keys included, to one file", load: () => import("./commands/backup.ts") },
  restore: {
    text: "bring a backup back to an empty install, or prove that it could be",
    load: () => import("./commands/restore.ts"),
  },
  rewrap: {
    text: "wrap every user's key with a new master key",
    load: () => import("./commands/rewrap.ts"),
  },
  compose: { text: "an install in containers", load: () => import("./commands/compose.ts") },
  test: { text: "run the tests", load: () => import("./commands/test.ts") },
  check: { text: "format, lint, types, dead code, charts", load: () => import("./commands/check.ts") },
  bench: { text: "run a benchmark", load: () => import("./commands/bench.ts") },
};

function help(): string {
  return [
    `Signalbox ${platformVersion()}`,
    "",
    "./signalbox COMMAND [OPTIONS]",
    "",
    ...Object.entries(commands).map(([name, { text }]) => `  ${name.padEnd(13)}${text}`),
    "",
    "./signalbox COMMAND --help shows a command's options.",
  ].join("\n");
}

async function main(args: string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === "--version" || name === "-v" || name === "version") {
    console.log(platformVersion());
    return 0;
  }
  if (name === undefined || name === "--help" || name === "-h" || (name === "help" && !rest[0])) {
    console.log(help());
    return 0;
  }
  const wanted = name === "help" ? rest[0]! : name;
  const entry = Object.hasOwn(commands, wanted) ? commands[wanted] : undefined;
  if (!entry) {
    const near = nearest(wanted, Object.keys(commands));
    throw new Fault(
      `Unknown command "${wanted}".`,
      near ? `Did you mean "${near}"? See: ./signalbox help` : "See: ./signalbox help",
    );
  }
  const { command } = await entry.load();
  if (name === "help" || rest.includes("--help") || rest.includes("-h")) {
    console.log(commandHelp(command));
    return 0;
  }
  const { values, words } = readArguments(command, rest);
  return command.run(values, words);
}

// A reader that went away (`| head`) is not a failure of ours.
process.stdout.on("error", () => process.exit(0));

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (process.argv.includes("--debug")) console.error(error);
  console.error(`signalbox: ${faultLine(toFault(error))}`);
  process.exitCode = 1;
}
