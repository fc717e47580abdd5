// What a text names: people, hashtags and links, each once, in order.

import type { Ctx } from "../ctx.ts";
import { idsOfHandles } from "../users/index.ts";

const maxOfAKind = 50;

// Not inside a word, an address or a path: `a@b.example` names nobody, `/#top` no tag.
const mentionForm = /(?<![\p{L}\p{N}_@/.])@([a-z0-9_]{3,30})(?![\p{L}\p{N}_@]|\.[\p{L}\p{N}])/giu;
const hashtagForm = /(?<![\p{L}\p{N}_#/&])#([\p{L}\p{N}_]{1,100})/gu;
const linkForm = /(?<![\p{L}\p{N}])https?:\/\/[^\s<>"'`]+/giu;

export type Entities = {
  mentions: { id: string; handle: string }[];
  hashtags: string[];
  links: string[];
};

export async function extractEntities(ctx: Ctx, text: string): Promise<Entities> {
  const links = extractLinks(text);
  // What stands within a link is the link's.
  const rest = text.replace(linkForm, " ");
  const handles = once(matches(rest, mentionForm).map((handle) => handle.toLowerCase()));
  const hashtags = once(
    // A number alone is no tag.
    matches(rest, hashtagForm).flatMap((tag) =>
      /^\d+$/.test(tag) ? [] : [tag.normalize("NFC").toLowerCase()],
    ),
  );
  const known = await idsOfHandles(ctx, handles);
  const mentions = new Map<string, string>();
  for (const handle of handles) {
    const id = known.get(handle);
    if (id !== undefined && !mentions.has(id)) mentions.set(id, handle);
  }
  return { mentions: [...mentions].map(([id, handle]) => ({ id, handle })), hashtags, links };
}

function extractLinks(text: string): string[] {
  const links = matches(text, linkForm, 0).flatMap((found) => {
    const link = withoutTrailing(found);
    return URL.canParse(link) && link.length <= 2_000 ? [link] : [];
  });
  return once(links);
}

/** The full stop behind a link is the sentence's, and so is a bracket that was not opened within. */
function withoutTrailing(link: string): string {
  let end = link.length;
  for (; end > 0; end -= 1) {
    const last = link[end - 1]!;
    if (/[.,;:!?*_~…]/.test(last)) continue;
    if (last !== ")" && last !== "]") break;
    const opening = last === ")" ? "(" : "[";
    const part = link.slice(0, end);
    if (part.split(opening).length >= part.split(last).length) break;
  }
  return link.slice(0, end);
}

const matches = (text: string, form: RegExp, group = 1) =>
  [...text.matchAll(form)].map((match) => match[group]!);
const once = (names: string[]) => [...new Set(names)].slice(0, maxOfAKind);
