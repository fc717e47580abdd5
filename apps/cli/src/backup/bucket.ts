// A bucket of an S3 server, or a part of one: five calls, signed here (AWS Signature 4), each by the sum of its bytes, which the
// server compares with what it got.
import { createHash, createHmac } from "node:crypto";
import {
  closeSync,
  createWriteStream,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import http, { type IncomingMessage } from "node:http";
import https from "node:https";
import { text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { setTimeout as pause } from "node:timers/promises";
import { Fault } from "../fault.ts";

export type BucketAccess = {
  endpoint: string;
  region: string;
  accessKeyId: string;
  secretAccessKey: string;
};
export type Bucket = ReturnType<typeof openBucket>;
type Stored = { name: string; bytes: number };

/** Parts of a large file; a server takes 10,000 of them. */
const partBytes = 16 * 1024 * 1024;
const mostParts = 9_000;
const attempts = 4;
const patienceMs = 120_000;

export const isBucketAddress = (text: string) => text.startsWith("s3://");

/** `s3://bucket/prefix`; every name is one below the prefix. */
export function openBucket(address: string, access: BucketAccess) {
  const [, bucket = "", prefix = ""] = /^s3:\/\/([\w.-]+)\/?(.*?)\/?$/.exec(address) ?? [];
  if (!bucket) throw new Fault(`${address} names no bucket.`, "Write it so: s3://bucket/prefix");
  const keyOf = (name: string) => (prefix ? `${prefix}/${name}` : name);
  const call = async (
    method: string,
    key: string,
    { query = {}, body = empty }: { query?: Record<string, string>; body?: Buffer } = {},
  ): Promise<IncomingMessage> => {
    for (let left = attempts - 1; ; left -= 1) {
      const signed = sign(access, method, `/${bucket}${key && `/${key}`}`, query, body);
      const answer = await send(method, signed, body).catch((error: Error) => error);
      const isFault = answer instanceof Error;
      const status = isFault ? 0 : (answer.statusCode ?? 0);
      if (!isFault && status < 300) return answer;
      const said = isFault ? answer.message : await text(answer);
      if (left > 0 && (isFault || status >= 500 || status === 429)) {
        await pause(250 * 4 ** (attempts - 1 - left));
        continue;
      }
      const code = /<Code>(.*?)<\/Code>/.exec(said)?.[1] ?? (isFault ? said : `status ${status}`);
      throw new BucketFault(code, `${access.endpoint} refused ${method} ${bucket}/${key}: ${code}.`);
    }
  };
  const ask = async (...given: Parameters<typeof call>) => text(await call(...given));

  async function put(name: string, bytes: Buffer): Promise<void> {
    await ask("PUT", keyOf(name), { body: bytes });
  }

  /** Whole or not at all: parts count once all of them are there. */
  async function putFile(name: string, path: string): Promise<void> {
    const { size } = statSync(path);
    if (size <= partBytes) return put(name, readFileSync(path));
    const key = keyOf(name);
    const each = Math.max(partBytes, Math.ceil(size / mostParts));
    const begun = await ask("POST", key, { query: { uploads: "" } });
    const uploadId = /<UploadId>(.*?)<\/UploadId>/.exec(begun)?.[1] ?? "";
    const file = openSync(path, "r");
    try {
      const tags: string[] = [];
      const part = Buffer.alloc(each);
      for (let at = 0; at < size; at += each) {
        const length = readSync(file, part, 0, each, at);
        const query = { partNumber: String(tags.length + 1), uploadId };
        const answer = await call("PUT", key, { query, body: part.subarray(0, length) });
        await text(answer);
        tags.push(answer.headers.etag ?? "");
      }
      const list = tags.map(
        (tag, at) => `<Part><PartNumber>${at + 1}</PartNumber><ETag>${tag}</ETag></Part>`,
      );
      const body = Buffer.from(`<CompleteMultipartUpload>${list.join("")}</CompleteMultipartUpload>`);
      // This one is answered 200 before its end is known.
      const ended = await ask("POST", key, { query: { uploadId }, body });
      if (!/<CompleteMultipartUploadResult/.test(ended))
        throw new BucketFault("incomplete", ended.slice(0, 300));
    } catch (error) {
      await ask("DELETE", key, { query: { uploadId } }).catch(() => {});
      throw error;
    } finally {
      closeSync(file);
    }
  }

  return {
    address: `s3://${bucket}${prefix && `/${prefix}`}`,
    put,
    putFile,

    async list(below = ""): Promise<Stored[]> {
      const found: Stored[] = [];
      for (let token: string | undefined = ""; token !== undefined; ) {
        const query: Record<string, string> = {
          "list-type": "2",
          prefix: keyOf(below),
          ...(token && { "continuation-token": token }),
        };
        const list: string = await ask("GET", "", { query });
        for (const [, entry = ""] of list.matchAll(/<Contents>(.*?)<\/Contents>/gs)) {
          const [, key = ""] = /<Key>(.*?)<\/Key>/.exec(entry) ?? [];
          const [, size = "0"] = /<Size>(\d+)<\/Size>/.exec(entry) ?? [];
          found.push({ name: prefix ? key.slice(prefix.length + 1) : key, bytes: Number(size) });
        }
        token = /<NextContinuationToken>(.*?)<\/NextContinuationToken>/.exec(list)?.[1];
      }
      return found;
    },

    async getFile(name: string, path: string): Promise<void> {
      const answer = await call("GET", keyOf(name));
      try {
        await pipeline(answer, createWriteStream(`${path}.partial`, { mode: 0o640, flush: true }));
        renameSync(`${path}.partial`, path);
      } finally {
        rmSync(`${path}.partial`, { force: true });
      }
    },

    async remove(name: string): Promise<void> {
      await ask("DELETE", keyOf(name));
    },

    /** A server of one's own has none yet. Who may not look or make one is told at the next call. */
    async make(): Promise<void> {
      try {
        await ask("HEAD", "");
      } catch (error) {
        if (error instanceof BucketFault && error.code === "status 404") await ask("PUT", "");
      }
    },
  };
}

class BucketFault extends Fault {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message, mends[code] ?? "Check S3_ENDPOINT, S3_REGION, the key and its rights.");
    this.code = code;
  }
}
const mends: Record<string, string> = {
  NoSuchBucket: "Make the bucket, or name another.",
  IllegalLocationConstraintException: "Make the bucket first.",
  SignatureDoesNotMatch: "The secret key is another than the server's: check S3_SECRET_ACCESS_KEY_FILE.",
  InvalidAccessKeyId: "The server knows no such key: check S3_ACCESS_KEY_ID.",
};

type Signed = { url: string; headers: Record<string, string> };

function send(method: string, { url, headers }: Signed, body: Buffer): Promise<IncomingMessage> {
  const { request } = url.startsWith("https:") ? https : http;
  return new Promise((resolve, reject) => {
    const length = { "content-length": String(body.length) };
    const asked = request(url, { method, headers: { ...headers, ...length }, timeout: patienceMs }, resolve);
    asked.once("timeout", () => asked.destroy(new Error("no answer in time")));
    asked.once("error", reject);
    asked.end(body);
  });
}

const empty = Buffer.alloc(0);
const sha256 = (bytes: Buffer | string) => createHash("sha256").update(bytes).digest("hex");
const hmac = (key: Buffer | string, text: string) => createHmac("sha256", key).update(text).digest();
const encoded = (text: string) =>
  encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
  );

function sign(
  { endpoint, region, accessKeyId, secretAccessKey }: BucketAccess,
  method: string,
  path: string,
  query: Record<string, string>,
  body: Buffer,
): Signed {
  const at = new Date().toISOString().replaceAll(/[-:]|\.\d+/g, "");
  const day = at.slice(0, 8);
  const { origin, host } = new URL(endpoint);
  const uri = path.split("/").map(encoded).join("/");
  const asked = Object.entries(query)
    .map(([name, value]) => `${encoded(name)}=${encoded(value)}`)
    .sort()
    .join("&");
  const headers = { host, "x-amz-content-sha256": sha256(body), "x-amz-date": at };
  const names = Object.keys(headers).join(";");
  const lines = Object.entries(headers).map(([name, value]) => `${name}:${value}\n`);
  const canonical = [method, uri, asked, lines.join(""), names, headers["x-amz-content-sha256"]].join("\n");
  const scope = `${day}/${region}/s3/aws4_request`;
  const key = [day, region, "s3", "aws4_request"].reduce<Buffer | string>(hmac, `AWS4${secretAccessKey}`);
  const signature = hmac(key, ["AWS4-HMAC-SHA256", at, scope, sha256(canonical)].join("\n")).toString("hex");
  const { host: _, ...sent } = headers;
  return {
    url: `${origin}${uri}${asked && `?${asked}`}`,
    headers: {
      ...sent,
      authorization: `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope}, SignedHeaders=${names}, Signature=${signature}`,
    },
  };
}
