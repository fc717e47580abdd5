// The head of an answer, as one text. Nearly all of its lines are those of the answer before: they are checked and put together once.

import { type ServerResponse, STATUS_CODES, validateHeaderName, validateHeaderValue } from "node:http";

/** Everything known of one field; there are as many as names in the code. Its line is made when a value comes again. */
type Field = { name: string; start: string; value: string | undefined; line: string; stands: boolean };

const fields = new Map<string, Field>();

/** What Node writes by itself, and keeps for its own: the text that stands before the first byte of the body. */
type Written = ServerResponse & {
  _header: string | null;
  _headerSent: boolean;
  _keepAliveTimeout: number;
  maxRequestsOnConnectionReached?: boolean;
};

/** Whoever writes the head of this answer says in it for how long the connection is kept. */
export function sayKept(response: ServerResponse, ms: number): void {
  (response as Written)._keepAliveTimeout = ms;
}

function fieldOf(name: string): Field {
  let field = fields.get(name);
  if (field === undefined) {
    validateHeaderName(name);
    const lower = name.toLowerCase();
    field = fields.get(lower) ?? {
      name: lower,
      start: `\r\n${lower}: `,
      value: undefined,
      line: "",
      stands: false,
    };
    fields.set(name, field).set(lower, field);
  }
  return field;
}

function addLine(text: string, field: Field, value: string): string {
  if (field.value !== value) {
    validateHeaderValue(field.name, value);
    field.value = value;
    field.line = "";
    return text + field.start + value;
  }
  // join() makes one piece of it: what is put together of fewer pieces is sooner written.
  field.line ||= [field.start, value].join("");
  return text + field.line;
}

const statusLines = new Map<number, string>();

function statusLine(status: number): string {
  let line = statusLines.get(status);
  if (line === undefined) {
    line = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? "unknown"}`;
    statusLines.set(status, line);
  }
  return line;
}

let dateLine = "";

/** Made anew when its second is over, so that no answer looks at the clock. */
function date(): string {
  if (dateLine === "") {
    const now = new Date();
    dateLine = `\r\nDate: ${now.toUTCString()}`;
    setTimeout(() => {
      dateLine = "";
    }, 1_000 - now.getMilliseconds()).unref();
  }
  return dateLine;
}

let keptMs = 0;
let keepLine = "";

function keepAlive(ms: number): string {
  if (ms !== keptMs) {
    keptMs = ms;
    keepLine = `\r\nConnection: keep-alive${ms > 0 ? `\r\nKeep-Alive: timeout=${Math.floor(ms / 1_000)}` : ""}`;
  }
  return keepLine;
}

type Standing = { fields: Field[]; values: string[]; text: string };

const standings = new WeakMap<object, Standing>();

/** Fields that every answer begins with: put together here, once. */
export function standing<Values extends Record<string, string>>(values: Values): Readonly<Values> {
  const fields = Object.keys(values).map(fieldOf);
  const texts = Object.values(values);
  let text = "";
  for (const [at, field] of fields.entries()) {
    validateHeaderValue(field.name, texts[at]!);
    field.stands = true;
    text += field.start + texts[at];
  }
  standings.set(values, { fields, values: texts, text });
  return Object.freeze(values);
}

export class Head {
  #standing: Standing | undefined;
  #fields: Field[] = [];
  #values: string[] = [];

  /** With what standing() has put together, and nothing before it; false: it has not. */
  begin(values: object): boolean {
    if (this.#fields.length > 0) return false;
    const known = standings.get(values);
    if (known === undefined) return false;
    this.#standing = known;
    return true;
  }

  set(name: string, value: string): void {
    const field = fieldOf(name);
    if (field.stands) this.#unfold();
    const at = this.#fields.indexOf(field);
    if (at >= 0) {
      this.#values[at] = value;
      return;
    }
    this.#fields.push(field);
    this.#values.push(value);
  }

  get(name: string): string | undefined {
    const field = fieldOf(name);
    if (field.stands) this.#unfold();
    const at = this.#fields.indexOf(field);
    return at < 0 ? undefined : this.#values[at];
  }

  /** Name, value, name, value: as writeHead() takes them. */
  fields(): string[] {
    this.#unfold();
    return this.#fields.flatMap(({ name }, at) => [name, this.#values[at]!]);
  }

  /** One of what stands may be about to change. */
  #unfold(): void {
    if (this.#standing === undefined) return;
    this.#fields = [...this.#standing.fields, ...this.#fields];
    this.#values = [...this.#standing.values, ...this.#values];
    this.#standing = undefined;
  }

  /** For an answer with a body of known length. Like writeHead(), which is asked where the connection ends with this answer. */
  write(response: ServerResponse, status: number): void {
    const written = response as Written;
    if (
      !written.shouldKeepAlive ||
      written.maxRequestsOnConnectionReached ||
      written.req.httpVersionMinor !== 1
    ) {
      response.writeHead(status, this.fields());
      return;
    }
    response.statusCode = status;
    let text = statusLine(status);
    if (this.#standing !== undefined) text += this.#standing.text;
    for (let at = 0; at < this.#fields.length; at++)
      text = addLine(text, this.#fields[at]!, this.#values[at]!);
    written._header = `${text}${date()}${keepAlive(written._keepAliveTimeout)}\r\n\r\n`;
    written._headerSent = false;
  }
}
