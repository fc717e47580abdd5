// The description as a page to read: one file, no script needed, light and dark as the reader has it.

import { createHash } from "node:crypto";
import { errorTable } from "@signalbox/core/errors";
import type { OpenApi, Operation } from "./describe.ts";
import { isObject } from "./procedure.ts";

type Json = Record<string, unknown>;

export function renderDocs(
  document: OpenApi,
  source: string,
): { html: string; contentSecurityPolicy: string } {
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );
  const groups = [...Map.groupBy(operations, ({ operation }) => operation.tags[0] ?? "others")];
  const base = document.servers[0]?.url ?? "";
  const nav = groups
    .map(
      ([name, list]) =>
        `<li><a href="#${escapeHtml(name)}">${escapeHtml(name)}</a><ul>${list
          .map(
            ({ method, path, operation }) =>
              `<li><a href="#${escapeHtml(operation.operationId)}"><b class="m ${method}">${method}</b>${breakable(path)}</a></li>`,
          )
          .join("")}</ul></li>`,
    )
    .join("");
  const sections = groups
    .map(
      ([name, list]) =>
        `<section><h2 id="${escapeHtml(name)}">${escapeHtml(name)}</h2>${list
          .map((each) => renderOperation(each, base, document))
          .join("")}</section>`,
    )
    .join("");
  const html = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(document.info.title)} ${escapeHtml(base)}</title>
<style>${style}</style>
</head>
<body>
<nav aria-label="Operations">
<p class="brand">${escapeHtml(document.info.title)}</p>
<input id="find" type="search" placeholder="Find an operation" aria-label="Find an operation" hidden>
<ul>${nav}<li><a href="#errors">errors</a></li></ul>
</nav>
<main>
<h1>${escapeHtml(document.info.title)}</h1>
<p>${escapeHtml(document.info.description)}</p>
<p class="facts">Base address <code>${escapeHtml(base)}</code>. The same as a document: <a href="${escapeHtml(source)}">${escapeHtml(source)}</a>, OpenAPI ${escapeHtml(document.openapi)}. Version ${escapeHtml(document.info.version)}.</p>
${sections}
${renderErrors()}
</main>
<script>${script}</script>
</body>
</html>
`;
  const hash = createHash("sha256").update(script).digest("base64");
  return {
    html,
    contentSecurityPolicy: `default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  };
}

function renderOperation(
  { path, method, operation }: { path: string; method: string; operation: Operation },
  base: string,
  document: OpenApi,
): string {
  const { operationId, summary, security, parameters, requestBody, responses } = operation;
  const open = security.some((way) => Object.keys(way).length === 0);
  const body = requestBody?.content["application/json"].schema;
  const success = Object.entries(responses).filter(([status]) => status < "300");
  const refusals = Object.keys(responses).filter((status) => status >= "300");
  const example = success
    .map(([, response]) => responseSchema(response))
    .find((schema) => schema !== undefined);
  return `<article id="${escapeHtml(operationId)}" data-find="${escapeHtml(`${method} ${path} ${summary} ${operationId}`.toLowerCase())}">
<h3><b class="m ${method}">${method}</b> <code>${escapeHtml(base.replace(/^https?:\/\/[^/]+/, ""))}${breakable(path)}</code></h3>
<p>${escapeHtml(summary)} <span class="auth">${open ? "open to all" : "needs a token"}</span></p>
${
  parameters.length > 0
    ? renderFields(
        "Parameters",
        parameters.map(({ name, in: place, required, schema, description }) => ({
          name,
          place,
          required,
          schema,
          description,
        })),
        document,
      )
    : ""
}
${body ? renderFields("Body", fieldsOf(body), document) : ""}
<h4>Answers</h4>
<p>${success.map(([status, response]) => `<b class="ok">${status}</b> ${escapeHtml(String(response.description))}`).join(", ")}<span class="refusals">${refusals.map((status) => `<a href="#status-${status}">${status}</a>`).join(" ")}</span></p>
${example ? `<details><summary>Shape of the answer</summary><pre>${escapeHtml(JSON.stringify(sample(example, document), null, 2))}</pre></details>` : ""}
<p class="name">tRPC <code>${escapeHtml(operationId)}</code></p>
</article>`;
}

type Field = {
  name: string;
  place?: string;
  required: boolean;
  schema: Json;
  description?: string | undefined;
};

function fieldsOf(body: Json): Field[] {
  const required = (body.required as string[] | undefined) ?? [];
  return Object.entries((body.properties as Record<string, Json> | undefined) ?? {}).map(
    ([name, schema]) => ({
      name,
      required: required.includes(name),
      schema,
      description: schema.description as string | undefined,
    }),
  );
}

const renderFields = (title: string, fields: Field[], document: OpenApi) =>
  `<h4>${title}</h4><table><tbody>${fields
    .map(
      ({ name, place, required, schema, description }) =>
        `<tr><th scope="row"><code>${escapeHtml(name)}</code></th><td>${escapeHtml(typeWords(schema, document))}${
          place ? `, in ${place}` : ""
        }${required ? ", <em>required</em>" : ""}</td><td>${escapeHtml([limits(schema), description].filter(Boolean).join(". "))}</td></tr>`,
    )
    .join("")}</tbody></table>`;

const responseSchema = (response: Json): Json | undefined => {
  const content = response.content as { "application/json"?: { schema: Json } } | undefined;
  return content?.["application/json"]?.schema;
};

function resolve(schema: Json, { components }: OpenApi): Json {
  if (typeof schema.$ref !== "string") return schema;
  return components.schemas[schema.$ref.slice("#/components/schemas/".length)] ?? {};
}

function typeWords(given: Json, document: OpenApi): string {
  const schema = resolve(given, document);
  if (Array.isArray(schema.enum)) return schema.enum.map(String).join(" | ");
  if (schema.const !== undefined) return String(schema.const);
  const arms = (schema.anyOf ?? schema.oneOf) as Json[] | undefined;
  if (arms) return arms.map((arm) => typeWords(arm, document)).join(" or ");
  if (schema.type === "array" && isObject(schema.items))
    return `list of ${typeWords(schema.items, document)}`;
  const type = Array.isArray(schema.type) ? schema.type.join(" or ") : String(schema.type ?? "anything");
  return schema.format ? `${type} (${schema.format})` : type;
}

function limits(schema: Json): string {
  const words: string[] = [];
  const between = (low: unknown, high: unknown, unit: string) => {
    const isReal = (bound: unknown) =>
      bound !== undefined && Math.abs(Number(bound)) < Number.MAX_SAFE_INTEGER;
    if (isReal(low) && isReal(high)) words.push(`${low} to ${high}${unit}`);
    else if (isReal(low)) words.push(`at least ${low}${unit}`);
    else if (isReal(high)) words.push(`at most ${high}${unit}`);
  };
  between(schema.minimum, schema.maximum, "");
  between(schema.minLength, schema.maxLength, " characters");
  between(schema.minItems, schema.maxItems, " items");
  if (schema.default !== undefined) words.push(`${JSON.stringify(schema.default)} by default`);
  return words.join(", ");
}

/** A value of the shape, to show it; deep enough to be read, no deeper. */
function sample(given: Json, document: OpenApi, depth = 0): unknown {
  const schema = resolve(given, document);
  if (depth > 6) return "…";
  if (Array.isArray(schema.enum)) return schema.enum[0];
  if (schema.const !== undefined) return schema.const;
  const arms = (schema.anyOf ?? schema.oneOf) as Json[] | undefined;
  if (arms) return sample(arms[0] ?? {}, document, depth);
  const type = Array.isArray(schema.type) ? schema.type[0] : schema.type;
  if (type === "object")
    return Object.fromEntries(
      Object.entries((schema.properties as Record<string, Json> | undefined) ?? {}).map(
        ([name, property]) => [name, sample(property, document, depth + 1)],
      ),
    );
  if (type === "array") return [sample((schema.items as Json | undefined) ?? {}, document, depth + 1)];
  if (type === "integer" || type === "number") return 0;
  if (type === "boolean") return true;
  if (type === "string") return schema.format ? `(${schema.format})` : "text";
  return "…";
}

function renderErrors(): string {
  const rows = Object.entries(errorTable);
  const first = new Set<number>();
  return `<section><h2 id="errors">errors</h2><p>A refusal is <code>application/problem+json</code> with these codes; <code>requestId</code> finds it in the logs.</p><table><tbody>${rows
    .map(([code, { http, title }]) => {
      const anchor = first.has(http) ? "" : ` id="status-${http}"`;
      first.add(http);
      return `<tr${anchor}><th scope="row">${http}</th><td><code>${code}</code></td><td>${escapeHtml(title)}</td></tr>`;
    })
    .join("")}</tbody></table></section>`;
}

const escapes: Record<string, string> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};
const escapeHtml = (text: string) => text.replace(/[&<>"']/g, (sign) => escapes[sign]!);
const breakable = (path: string) => escapeHtml(path).replaceAll("/", "/<wbr>");

const script = `const find=document.getElementById("find");find.hidden=false;find.addEventListener("input",()=>{const word=find.value.trim().toLowerCase();for(const a of document.querySelectorAll("article")){const miss=!a.dataset.find.includes(word);a.hidden=miss;const link=document.querySelector('nav a[href="#'+CSS.escape(a.id)+'"]');if(link)link.parentElement.hidden=miss}for(const s of document.querySelectorAll("section")){const list=s.querySelectorAll("article");if(list.length)s.hidden=[...list].every(a=>a.hidden)}});`;

const style = `
:root{color-scheme:light dark;--bg:light-dark(#fbfbfa,#131416);--panel:light-dark(#fff,#1a1c1f);--ink:light-dark(#1d1f23,#e6e7ea);--soft:light-dark(#5c626c,#9aa1ac);--line:light-dark(#e3e4e1,#2b2e33);--accent:light-dark(#0b5d4e,#5fd0b5);--get:light-dark(#0b5d9e,#6fb7f2);--post:light-dark(#1c6b2d,#77cf8a);--put:light-dark(#8a5300,#e0ac5a);--delete:light-dark(#a3222c,#f08a8f)}
*{box-sizing:border-box}
html{scroll-behavior:smooth;scroll-padding-top:1.5rem}
@media(prefers-reduced-motion:reduce){html{scroll-behavior:auto}}
body{margin:0;display:grid;grid-template-columns:17rem minmax(0,1fr);background:var(--bg);color:var(--ink);font:15px/1.55 system-ui,sans-serif}
nav{position:sticky;top:0;height:100vh;overflow:auto;padding:1.5rem 1rem;border-right:1px solid var(--line);font-size:13px}
.brand{margin:0 0 .75rem;font-weight:650;font-size:15px}
nav ul{list-style:none;margin:0;padding:0}
nav>ul>li{margin:.9rem 0}
nav>ul>li>a{font-weight:600;text-transform:capitalize}
nav a{display:block;padding:.15rem .35rem;border-radius:4px;color:inherit;text-decoration:none;overflow-wrap:anywhere}
nav a:hover{background:var(--line)}
nav ul ul a{display:flex;gap:.4rem;color:var(--soft);font:12px/1.5 ui-monospace,monospace}
#find{width:100%;padding:.4rem .55rem;border:1px solid var(--line);border-radius:6px;background:var(--panel);color:inherit;font:inherit}
main{max-width:56rem;padding:2rem 2.5rem 6rem}
h1{margin:0 0 .25rem;font-size:1.75rem;letter-spacing:-.01em}
h2{margin:3rem 0 1rem;font-size:1.2rem;text-transform:capitalize}
h3{margin:0;font-size:1rem;font-weight:500}
h4{margin:1.1rem 0 .3rem;color:var(--soft);font-size:12px;font-weight:600}
p{margin:.4rem 0}
a{color:var(--accent)}
:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
code,pre{font:.92em/1.5 ui-monospace,monospace}
article{margin:0 0 1rem;padding:1.1rem 1.25rem;background:var(--panel);border:1px solid var(--line);border-radius:8px}
article:target{border-color:var(--accent)}
.m{display:inline-block;flex:none;min-width:4em;font:600 11px/1.5 ui-monospace,monospace;text-transform:uppercase;color:var(--get)}
.post{color:var(--post)}.put,.patch{color:var(--put)}.delete{color:var(--delete)}
.auth,.facts,.name{color:var(--soft);font-size:13px}
.auth::before{content:"\\00b7";margin:0 .4em}
.ok{color:var(--post)}
.refusals a{margin-left:.5em;color:var(--soft);font-size:13px}
table{width:100%;table-layout:fixed;border-collapse:collapse;font-size:14px;overflow-wrap:anywhere}
th,td{padding:.3rem .75rem .3rem 0;border-top:1px solid var(--line);text-align:left;vertical-align:top;font-weight:400}
td:last-child{color:var(--soft)}
em{font-style:normal;color:var(--put)}
details{margin:.6rem 0}summary{cursor:pointer;color:var(--soft);font-size:13px}
pre{margin:.5rem 0 0;padding:.8rem 1rem;overflow:auto;background:var(--bg);border:1px solid var(--line);border-radius:6px;font-size:13px}
@media(max-width:48rem){body{display:block}nav{position:static;height:auto;max-height:40vh;border-right:0;border-bottom:1px solid var(--line)}main{padding:1.25rem}}
@media print{nav{display:none}body{display:block}}
`;
