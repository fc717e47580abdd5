// sign-in: a new one-time link to the console, for a person who is told apart by name.
import { operatorName, type SignIn } from "@signalbox/control/sign-in";
import { type Command, dataDirOption } from "../command.ts";
import { chosenDataDir } from "../data-dir.ts";
import { Fault } from "../fault.ts";
import { readRunFile, signInLink } from "../install.ts";

const roles: readonly string[] = ["admin", "operator", "viewer"] satisfies SignIn["role"][];

export const command: Command = {
  name: "sign-in",
  usage: "sign-in [--name NAME] [--role ROLE] [--data-dir DIR]",
  text: "Prints a link that signs one operator in to the console, once, within an hour.",
  words: 0,
  options: {
    name: { type: "string", value: "NAME", text: "who it is for: the same name is the same person" },
    role: { type: "string", value: "ROLE", text: "admin (usual), operator or viewer" },
    ...dataDirOption,
  },
  async run({ name, role = "admin", ...values }) {
    if (name !== undefined && !operatorName.test(String(name)))
      throw new Fault(
        `--name must be 1 to 40 small letters, digits, dots, dashes and underscores, a letter first, and not ${name}.`,
        "Example: --name ann.lee",
      );
    if (!roles.includes(String(role)))
      throw new Fault(`There is no role ${role}.`, `There are: ${roles.join(", ")}`);
    const dir = chosenDataDir(values);
    const address = readRunFile(dir)?.console;
    if (!address)
      throw new Fault(
        `No console runs from ${dir.path}, so there is nothing to sign in to.`,
        "Start it: ./signalbox up",
      );
    const who = { role: role as SignIn["role"], ...(name === undefined ? {} : { name: String(name) }) };
    console.log(await signInLink(dir, address, who));
    console.error(
      name === undefined
        ? "  Without --name this link counts as a person of its own: two of them in one hand are two operators for what needs two."
        : `  The log of operators will say ${name}. What needs two operators needs another name.`,
    );
    return 0;
  },
};
