// A mail's text as what it is made of: words, addresses to open, and the token that it carries on a line of its own.

type Part = { kind: "text" | "link" | "token"; text: string };

const address = /https?:\/\/[^\s<>"]+[^\s<>".,:;!?)]/g;
const tokenLine = /^[\w.~-]{24,}$/m;

export function readMail(text: string): { parts: Part[]; token: string | null; command: string | null } {
  const token = tokenLine.exec(text)?.[0] ?? null;
  const links = text.match(address) ?? [];
  const [door] = links.filter((link) => new URL(link).pathname.startsWith("/v1/"));
  const cuts = [...links.filter((link) => link !== door), ...(token ? [token] : [])];
  const parts: Part[] = [];
  let rest = text;
  while (rest !== "") {
    const next = cuts
      .map((cut) => ({ cut, at: rest.indexOf(cut) }))
      .filter(({ at }) => at >= 0)
      .toSorted((a, b) => a.at - b.at)[0];
    if (!next) break;
    if (next.at > 0) parts.push({ kind: "text", text: rest.slice(0, next.at) });
    parts.push({ kind: next.cut === token ? "token" : "link", text: next.cut });
    rest = rest.slice(next.at + next.cut.length);
  }
  if (rest !== "") parts.push({ kind: "text", text: rest });
  return { parts, token, command: token && door ? commandFor(door, token) : null };
}

/** A door of the API takes the token in a body, so it is no link for a browser. */
function commandFor(door: string, token: string): string {
  const body = door.endsWith("/password/reset") ? { token, password: "a new long phrase" } : { token };
  return `curl --json '${JSON.stringify(body)}' ${door}`;
}
