// What both doors are given to ask before they read a body.

import type { FastifyReply, FastifyRequest } from "fastify";
import type { Answered } from "./official.ts";
import type { Procedure } from "./procedure.ts";

export type Done = (error?: Error) => void;
export type Authenticate = (request: FastifyRequest, then: (answered: Answered) => void) => void;
export type OnRequest = (
  procedure: Procedure,
) => (request: FastifyRequest, reply: FastifyReply, done: Done) => void;
