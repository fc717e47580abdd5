// Letters to people: through a mail server where SMTP_URL names one, else kept where whoever tries the platform out can read them.

import { createTransport } from "nodemailer";
import type { Dependencies } from "./resilience/dependencies.ts";

/** `userId`: whom it is for, and under whose key it is kept where it is; `seal`: with that key, where it was read already. */
export type Mail = {
  userId: string;
  seal?: (field: string, plain: string) => Buffer;
  to: string;
  subject: string;
  text: string;
};

export type Mailer = {
  /** The host that takes mails; null where they are kept. */
  server: string | null;
  /** Resolves once the server has taken it. Called by jobs, which try again. */
  send(mail: Mail): Promise<void>;
  close(): void;
};

export function createMailer({
  smtpUrl,
  from,
  keep,
  dependencies,
}: {
  smtpUrl: string | undefined;
  from: string;
  keep: (mail: Mail) => Promise<void>;
  dependencies: Dependencies;
}): Mailer {
  if (smtpUrl === undefined) return { server: null, send: keep, close() {} };
  const patience = { connectionTimeout: 10_000, greetingTimeout: 10_000, socketTimeout: 20_000 };
  const transport = createTransport({ url: smtpUrl, ...patience }, { from });
  // A server that hangs keeps a few jobs waiting, and not all of them. Letters come in company, and as many as a process works on
  // at once find room: one that is refused for want of it would be made again later.
  const bulkhead = { maxConcurrent: 4, maxQueue: 64, maxWaitMs: 60_000 };
  const server = dependencies.open({
    name: "smtp",
    title: "the mail server",
    minCalls: 5,
    openMs: 5_000,
    bulkhead,
  });
  return {
    server: new URL(smtpUrl).host,
    async send({ to, subject, text }) {
      // An address is data: as an object it can not smuggle in a second one.
      await server.run(() => transport.sendMail({ to: { name: "", address: to }, subject, text }));
    },
    close: () => transport.close(),
  };
}
