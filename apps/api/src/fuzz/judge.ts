// Whether an answer is one that the document promises: its status, its kind, its body, its headers.

import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import type { OpenApi } from "../adapter/describe.ts";
import type { FuzzRequest } from "./requests.ts";

export type FuzzAnswer = {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: string;
};

export const ownFailure = "a failure of ours";

/** Says what is wrong with an answer; nothing where all is well. */
export type Judge = (request: FuzzRequest, answer: FuzzAnswer) => string[];

type Response = { content?: Record<string, unknown>; $ref?: string };

export function createJudge(document: OpenApi): Judge {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  addFormats.default(ajv);
  ajv.addSchema(document, "document");
  const validators = new Map<string, ValidateFunction>();

  function validate(pointer: string, body: unknown): string[] {
    let check = validators.get(pointer);
    if (!check) {
      check = ajv.compile({ $ref: `document#${pointer}` });
      validators.set(pointer, check);
    }
    return check(body) ? [] : [`the body is not as documented: ${ajv.errorsText(check.errors)}`];
  }

  function conforms(
    { path, method }: { path: string; method: string },
    { status, headers, body }: FuzzAnswer,
  ): string[] {
    const responses = document.paths[path]![method as "get"]!.responses as Record<string, Response>;
    let response = responses[status];
    if (!response) return [`${status} is not documented; there is ${Object.keys(responses).join(", ")}`];
    let pointer = `/paths/${path.replaceAll("~", "~0").replaceAll("/", "~1")}/${method}/responses/${status}`;
    if (response.$ref) {
      pointer = response.$ref.slice(1);
      response = document.components.responses[pointer.split("/").at(-1)!] as Response;
    }
    const [kind] = Object.keys(response.content ?? {});
    if (kind === undefined) return body === "" ? [] : ["there is a body where none is documented"];
    const type = String(headers["content-type"]);
    if (!type.startsWith(kind)) return [`the content type is ${type}, not ${kind}`];
    return validate(
      `${pointer}/content/${kind.replaceAll("/", "~1")}/schema`.replaceAll("{", "%7B").replaceAll("}", "%7D"),
      JSON.parse(body),
    );
  }

  return ({ method, operation }, answer) => {
    const { status, headers, body } = answer;
    const wrong: string[] = [];
    if (status >= 500) wrong.push(ownFailure);
    if (
      /node_modules|\bat .*\.ts:\d|\b(select|insert into|update) .* (from|values|set)\b|stack/i.test(
        status >= 400 ? body : "",
      )
    )
      wrong.push("it tells of our inside");
    if (headers["x-injected"] !== undefined) wrong.push("a header was smuggled in");
    const isClientFault = [400, 408, 417, 431].includes(status) && headers.connection === "close";
    if (!headers["x-request-id"] || !(headers.traceparent || isClientFault))
      wrong.push("it has no id or trace");
    if (status === 401 && !headers["www-authenticate"]) wrong.push("401 without WWW-Authenticate");
    if (status === 405 && !headers.allow) wrong.push("405 without Allow");
    if ((status === 429 || status === 503) && !headers["retry-after"])
      wrong.push(`${status} without Retry-After`);
    if (method === "HEAD") return wrong;
    if (status >= 400) {
      if (!String(headers["content-type"]).startsWith("application/problem+json"))
        return [...wrong, "a refusal that is no problem+json"];
      const problem = JSON.parse(body);
      if (problem.status !== status || problem.requestId !== headers["x-request-id"])
        wrong.push("the problem speaks of another answer");
    }
    return operation && !isClientFault ? [...wrong, ...conforms(operation, answer)] : wrong;
  };
}
