// The list of what an image is made of, from npm's list of what is locked: without what was left out of the image, and
// the same for the same packages (no serial number, no hour). npm sbom … | node sbom.cjs FOLDER > sbom.cdx.json
const { existsSync, readFileSync } = require("node:fs");
const { join } = require("node:path");

const folder = process.argv[2];
const bom = JSON.parse(readFileSync(0, "utf8"));
const isThere = ({ name, group }) =>
  existsSync(join(folder, "node_modules", group ? `${group}/${name}` : name));
const runtime = {
  "bom-ref": `node@${process.versions.node}`,
  type: "platform",
  name: "node",
  version: process.versions.node,
  purl: `pkg:generic/node@${process.versions.node}`,
};
const own = bom.metadata.component;
delete bom.serialNumber;
bom.metadata = { component: own };
bom.components = [runtime, ...bom.components.filter(isThere)].sort((a, b) =>
  a["bom-ref"] < b["bom-ref"] ? -1 : 1,
);
const refs = new Set([own["bom-ref"], ...bom.components.map((component) => component["bom-ref"])]);
bom.dependencies = bom.dependencies
  .filter(({ ref }) => refs.has(ref))
  .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((name) => refs.has(name)).sort() }))
  .sort((a, b) => (a.ref < b.ref ? -1 : 1));
process.stdout.write(`${JSON.stringify(bom, null, 1)}\n`);
