// down: stops the install of a data folder, also one whose supervisor was killed.
import { rmSync } from "node:fs";
import { type Command, dataDirOption } from "../command.ts";
import { chosenDataDir } from "../data-dir.ts";
import { sendSignal, waitUntilGone } from "../process-identity.ts";
import { endLeftBehind, leftBehind } from "../supervisor/left-behind.ts";
import { lockHolder } from "../supervisor/lock.ts";

export const command: Command = {
  name: "down",
  usage: "down [--data-dir DIR]",
  text: "Stops everything in reverse order, within 10 seconds. Data stays.",
  words: 0,
  options: dataDirOption,
  async run(values) {
    const dir = chosenDataDir(values);
    const supervisor = lockHolder(dir.lockFile);
    if (supervisor) {
      sendSignal(supervisor, "SIGTERM");
      if (!(await waitUntilGone(supervisor, 12_000))) sendSignal(supervisor, "SIGKILL");
    }
    const left = leftBehind(dir);
    await endLeftBehind(left);
    for (const file of [dir.runFile, dir.stateFile, dir.lockFile]) rmSync(file, { force: true });
    if (supervisor) console.log(`Stopped the install in ${dir.path}`);
    else if (left.length)
      console.log(`Ended what was left running: ${left.map(({ name }) => name).join(", ")}`);
    else console.log(`Nothing runs in ${dir.path}`);
    return 0;
  },
};
