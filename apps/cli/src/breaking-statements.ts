// Which statements of a migration an older version that still runs would not survive. The older one runs beside the newer one
// during an upgrade, so a migration adds; what is taken away goes a release later.

const breaking: RegExp[] = [
  /\bdrop\s+(table|column|schema|type|view|sequence|constraint\s+\S+\s+cascade)\b/i,
  /\brename\b/i,
  /\balter\s+column\s+\S+\s+(set\s+not\s+null|(set\s+data\s+)?type)\b/i,
  /\btruncate\b/i,
  /^\s*delete\s+from\b/i,
];

const mark = /--\s*breaks nothing:\s*\S+/;

/** In the order in which they stand; a table that the same migration makes may be given anything. */
export function breakingStatements(migration: string): string[] {
  const made = new Set<string>();
  return migration.split(/--> statement-breakpoint|;(?=[^\n]*\n|[^\n]*$)/).flatMap((piece, index, pieces) => {
    // A mark stands behind the statement, on its line.
    const isMarked = mark.test(piece) || mark.test(/^[^\n]*/.exec(pieces[index + 1] ?? "")![0]);
    const statement = piece
      .replaceAll(/--[^\n]*/g, "")
      .replaceAll(/\s+/g, " ")
      .trim();
    const [, created] = /^create table (?:if not exists )?(\S+)/i.exec(statement) ?? [];
    if (created) made.add(created);
    const [, table] = /(?:^alter table|\bon) (?:only )?(\S+)/i.exec(statement) ?? [];
    if (created || (table && made.has(table)) || isMarked) return [];
    return isBreaking(statement) ? [statement] : [];
  });
}

function isBreaking(statement: string): boolean {
  if (breaking.some((pattern) => pattern.test(statement))) return true;
  // What older rows, or rows that the older version writes, may not fulfil.
  if (/\badd column\b/i.test(statement) && /\bnot null\b/i.test(statement))
    return !/\bdefault\b|\bgenerated\b/i.test(statement);
  if (/\badd constraint\b/i.test(statement)) return !/\bnot valid\b/i.test(statement);
  return /^create unique index\b/i.test(statement);
}
