// A fault the person at the keyboard can mend: what happened and what to type, in one line, never a stack.
export class Fault extends Error {
  readonly mend: string;

  constructor(message: string, mend: string) {
    super(message);
    this.name = "Fault";
    this.mend = mend;
  }
}

const systemFaults: Record<string, (path: string) => Fault> = {
  ENOSPC: (path) =>
    new Fault(`The disk is full${path}.`, "Free some space, then run the same command again."),
  EROFS: (path) =>
    new Fault(
      `The file system is read-only${path}.`,
      "Choose a folder that can be written with --data-dir DIR.",
    ),
  EACCES: (path) =>
    new Fault(
      `No permission${path}.`,
      "Run as the owner of that folder, or choose another with --data-dir DIR.",
    ),
  EPERM: (path) =>
    new Fault(
      `Not permitted${path}.`,
      "Run as the owner of that folder, or choose another with --data-dir DIR.",
    ),
  ENOTDIR: (path) =>
    new Fault(
      `A file stands where a folder is needed${path}.`,
      "Move it away, or choose another folder with --data-dir DIR.",
    ),
  EMFILE: () => new Fault("Too many open files.", "Raise the limit: ulimit -n 4096"),
};

export function toFault(error: unknown): Fault {
  if (error instanceof Fault) return error;
  const { code, path, message } = error as NodeJS.ErrnoException;
  const known = code ? systemFaults[code] : undefined;
  if (known) return known(path ? ` at ${path}` : "");
  const [line = "unknown error"] = String(message ?? error).split("\n");
  return new Fault(line, "Run it again with --debug to see where it came from.");
}

export const faultLine = (fault: Fault) => `${fault.message} ${fault.mend}`.replace(/\s*\n\s*/g, " ");
