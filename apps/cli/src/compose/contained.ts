// What is asked inside of a container of the install, as a word of backup/contained.ts; its last line is the answer.
import { composeDoes, type composeSays } from "./docker.ts";
import type { Site } from "./site.ts";

export async function contained<T>(
  site: Site,
  service: "restore" | "cli",
  words: string[],
  given: NonNullable<Parameters<typeof composeSays>[2]> = {},
): Promise<T> {
  const entry = service === "cli" ? ["--entrypoint", "node"] : [];
  const script = service === "cli" ? ["apps/cli/src/backup/contained.ts"] : [];
  const run = ["run", "--rm", "--no-deps", "-T", ...entry, service, ...script, ...words];
  const stdout = await composeDoes(words[0]!, site, run, given);
  return JSON.parse(stdout.trim().split("\n").at(-1)!) as T;
}
