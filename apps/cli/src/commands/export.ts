// export: everything of a user as one archive on this machine.
import { createWriteStream } from "node:fs";
import { rename, rm, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { type Command, dataDirOption } from "../command.ts";
import { chosenDataDir } from "../data-dir.ts";
import { Fault } from "../fault.ts";
import { operatorApi } from "../operator-api.ts";
import { follow, type Request } from "../personal.ts";

export const command: Command = {
  name: "export",
  usage: "export USER [--out FILE] [--reason TEXT] [--data-dir DIR]",
  text: "Writes everything of a user, given by handle, e-mail address or id, to one archive (tar.gz of JSON files).",
  words: 1,
  options: {
    out: { type: "string", value: "FILE", text: "where to write it (default: export-USER.tar.gz here)" },
    reason: { type: "string", value: "TEXT", text: "why, for the log of operators" },
    ...dataDirOption,
  },
  async run(values, [user]) {
    if (!user) throw new Fault("export needs a user.", "Example: ./signalbox export ann");
    const api = operatorApi(chosenDataDir(values));
    const file = resolve(String(values.out ?? `export-${user.replace(/[^\w.-]+/g, "_")}.tar.gz`));
    const request = await api.call<Request>("POST", `/operator/v1/users/${encodeURIComponent(user)}/export`, {
      reason: String(values.reason ?? "exported on the command line"),
    });
    const { archive } = await follow(api, request);
    if (!archive) throw new Fault("The archive is not there.", "Run the same command again.");
    const { body } = await api.fetch(archive);
    if (!body) throw new Fault("The archive is empty.", "Run the same command again.");
    const half = `${file}.${process.pid}.new`;
    try {
      // Only its owner may read what is in it, and only a whole archive bears its name.
      await pipeline(Readable.fromWeb(body), createWriteStream(half, { mode: 0o600 }));
      await rename(half, file);
    } catch (error) {
      await rm(half, { force: true });
      throw error;
    }
    console.log(`${file} (${(await stat(file)).size} bytes)`);
    return 0;
  },
};
