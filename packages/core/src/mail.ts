// Letters to people: through a mail server where SMTP_URL names one, else kept where whoever tries the platform out can read them.

import { createTransport } from "nodemailer";

export type Mail = { to: string; subject: string; text: string };

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
}: {
  smtpUrl: string | undefined;
  from: string;
  keep: (mail: Mail) => Promise<void>;
}): Mailer {
  if (smtpUrl === undefined) return { server: null, send: keep, close() {} };
  const patience = { connectionTimeout: 10_000, greetingTimeout: 10_000, socketTimeout: 20_000 };
  const transport = createTransport({ url: smtpUrl, ...patience }, { from });
  return {
    server: new URL(smtpUrl).host,
    async send({ to, subject, text }) {
      // An address is data: as an object it can not smuggle in a second one.
      await transport.sendMail({ to: { name: "", address: to }, subject, text });
    },
    close: () => transport.close(),
  };
}
