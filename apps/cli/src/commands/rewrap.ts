// rewrap: after a new master key was put before the old one, wraps every user's key with it, so that the old one can go.
import { type Command, dataDirOption } from "../command.ts";
import { chosenDataDir } from "../data-dir.ts";
import { operatorApi } from "../operator-api.ts";
import { dim, green } from "../screen.ts";

type Rewrapped = { done: number; left: number };

export const command: Command = {
  name: "rewrap",
  usage: "rewrap [--reason TEXT] [--data-dir DIR]",
  text: `Wraps every user's key with the newest master key, while everything goes on. What the keys seal stays as it is, and a run that was
stopped goes on where it was.
Before: put the new key (32 characters or more) on the first line of the file that SIGNALBOX_MASTER_KEY_FILE names, leave the old
ones below it, and start every process anew: one that does not hold the new key can not read what is wrapped with it.
After: take the old lines out of the file and start every process anew. Keep them as long as backups from before this run.`,
  words: 0,
  options: {
    reason: { type: "string", value: "TEXT", text: "why, for the log of operators" },
    ...dataDirOption,
  },
  async run(values) {
    const api = operatorApi(chosenDataDir(values));
    const reason = String(values.reason ?? "asked for on the command line");
    const count = (number: number) => `${number.toLocaleString("en")} ${number === 1 ? "key" : "keys"}`;
    let done = 0;
    for (;;) {
      const step = await api.call<Rewrapped>("POST", "/operator/v1/user-keys/rewrap", { reason });
      done += step.done;
      if (step.left === 0) break;
      const share = Math.floor((100 * done) / (done + step.left));
      console.log(`  ${`${share} %`.padStart(5)}  ${count(done)} wrapped anew, ${count(step.left)} left`);
    }
    if (done === 0) {
      console.log(`  ${green("✓")} every key is wrapped with the newest master key already`);
      console.log(
        dim("    A new one counts when it is the first line of SIGNALBOX_MASTER_KEY_FILE and the api has"),
      );
      console.log(dim("    started since. What to do before: ./signalbox rewrap --help"));
    } else {
      console.log(`  ${green("✓")} ${count(done)} wrapped anew, none left`);
      console.log(
        dim("    Now take the old lines out of SIGNALBOX_MASTER_KEY_FILE and start every process anew. Keep"),
      );
      console.log(dim("    them as long as you keep backups from before."));
    }
    return 0;
  },
};
