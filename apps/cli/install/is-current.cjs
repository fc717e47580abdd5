// Whether node_modules holds what package-lock.json locks: exit code 0 if so. Runs on the machine's own Node.js,
// before the pinned one is there, hence plain CommonJS.
const { existsSync, readFileSync } = require("node:fs");
const { join } = require("node:path");

const root = process.argv[2];
const read = (path) => JSON.parse(readFileSync(join(root, path), "utf8")).packages;
const locked = read("package-lock.json");
const present = read("node_modules/.package-lock.json");

const current = Object.entries(locked).every(([path, wanted]) => {
  if (!path.includes("node_modules/")) return true;
  const found = present[path];
  if (!found || !existsSync(join(root, path))) return wanted.optional === true && !runsHere(wanted);
  return wanted.link === true || found.version === wanted.version;
});
process.exit(current ? 0 : 1);

// An optional package for this very machine must be there: the pinned runtime is one.
function runsHere({ os, cpu, libc }) {
  const fits = (list, value) => !list || list.includes(value);
  return Boolean(os || cpu) && !libc && fits(os, process.platform) && fits(cpu, process.arch);
}
