// Workers in a container that is told to end, or killed, in the midst of a job: a letter to a mail server that takes its time. The server
// counts what it was given and what it took.
import assert from "node:assert/strict";
import { appendFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { platformVersion } from "../repository.ts";
import { type ComposeSite, makeComposeSite } from "../testing/compose-site.ts";
import { eventually } from "../testing/harness.ts";

let site: ComposeSite;
let mail: SlowMail;

type SlowMail = {
  server: Server;
  /** Letters that were given to the end, by address, and those of them that were answered. */
  given: string[];
  taken: string[];
  isSlow: boolean;
  release(): void;
};

function slowMail(): SlowMail {
  const waiting: (() => void)[] = [];
  const mail: SlowMail = {
    given: [],
    taken: [],
    isSlow: true,
    release() {
      for (const answer of waiting.splice(0)) answer();
    },
    server: createServer((socket: Socket) => {
      let [to, isData, text] = ["", false, ""];
      const say = (line: string) => socket.writable && socket.write(`${line}\r\n`);
      socket.on("error", () => {});
      say("220 slow");
      socket.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
        for (;;) {
          const end = text.indexOf(isData ? "\r\n.\r\n" : "\r\n");
          if (end < 0) return;
          const line = text.slice(0, end);
          text = text.slice(end + (isData ? 5 : 2));
          if (isData) {
            isData = false;
            mail.given.push(to);
            const answer = () => {
              if (!socket.writable) return;
              mail.taken.push(to);
              say("250 taken");
            };
            if (mail.isSlow) waiting.push(answer);
            else answer();
          } else if (/^RCPT/i.test(line)) {
            to = /<(.*)>/.exec(line)?.[1] ?? "";
            say("250 ok");
          } else if (/^DATA/i.test(line)) {
            isData = true;
            say("354 go on");
          } else if (/^QUIT/i.test(line)) socket.end("221 bye\r\n");
          else say("250 ok");
        }
      });
    }),
  };
  return mail;
}

before(
  async () => {
    site = await makeComposeSite([platformVersion()]);
    const host = await site.docker(
      "network",
      "inspect",
      "bridge",
      "--format",
      "{{(index .IPAM.Config 0).Gateway}}",
    );
    mail = slowMail();
    await new Promise<void>((resolve) => mail.server.listen(0, host, resolve));
    const { port } = mail.server.address() as { port: number };
    appendFileSync(join(site.folder, ".env"), `SMTP_URL=smtp://${host}:${port}\n`);
    await site.must("up");
  },
  { timeout: 30 * 60_000 },
);
after(async () => {
  await site?.remove();
  mail?.server.close();
});

const container = async () => (await site.must("ps", "--all", "--quiet", "workers")).trim();
const count = (list: string[], name: string) => list.filter((to) => to === `${name}@example.com`).length;
const until = (what: string, isSo: () => boolean | Promise<boolean>) => eventually(isSo, what, 120_000);

/** What lies in the queue of letters, by Valkey itself: waiting, worked on, given up. */
async function inQueue(): Promise<number[]> {
  const key = "{queue:auth.mail.send}:auth.mail.send";
  const ask = async (word: string, part: string) => {
    const script = `REDISCLI_AUTH="$(cat /run/secrets/redis_password)" valkey-cli ${word} '${key}:${part}'`;
    return Number((await site.must("exec", "-T", "valkey", "sh", "-c", script)).trim());
  };
  return [await ask("llen", "wait"), await ask("llen", "active"), await ask("zcard", "failed")];
}

test("told to end in the midst of a job, they finish it, and it is done once", async () => {
  await site.register("finished");
  await until("the letter is being sent", () => count(mail.given, "finished") === 1);
  assert.deepEqual(await inQueue(), [0, 1, 0]);
  const id = await container();
  const stopped = site.docker("stop", "--time", "30", id);
  await pause(2_000);
  assert.equal(count(mail.taken, "finished"), 0);
  mail.release();
  await stopped;
  assert.equal(await site.docker("inspect", "--format", "{{.State.ExitCode}}", id), "0");
  assert.equal(count(mail.taken, "finished"), 1);
  assert.deepEqual(await inQueue(), [0, 0, 0]);
  await site.must("up");
});

test("killed in the midst of a job, it is done again, once", async () => {
  await site.register("killed");
  await until("the letter is being sent", () => count(mail.given, "killed") === 1);
  await site.docker("kill", await container());
  mail.release();
  assert.equal(count(mail.taken, "killed"), 0, "it was never taken");
  mail.isSlow = false;
  await site.must("up");
  await until("the letter is sent", () => count(mail.taken, "killed") === 1);
  await until("the queue is empty", async () => (await inQueue()).join() === "0,0,0");
  assert.equal(count(mail.given, "killed"), 2);
  assert.equal(count(mail.given, "finished"), 1, "and the one before was not done again meanwhile");
});

test("a job that is done twice would be seen", async () => {
  mail.isSlow = true;
  await site.register("twice");
  await until("the letter is being sent", () => count(mail.given, "twice") === 1);
  const id = await container();
  // Taken, and killed before it hears so: the one moment in which nobody can know.
  await site.docker("pause", id);
  mail.release();
  await site.docker("kill", id);
  mail.isSlow = false;
  await site.must("up");
  await until("a seeded fault: the letter is sent twice", () => count(mail.taken, "twice") === 2);
});
