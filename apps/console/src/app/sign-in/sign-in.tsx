// The door: a one-time link opens it. Its token is in the fragment, which no server and no log ever sees.

"use client";

import { Button } from "@signalbox/ui/button";
import { ErrorNotice } from "@signalbox/ui/error-notice";
import { useCallback, useEffect, useState } from "react";
import { sentenceCase } from "@/format.ts";
import { Mark } from "@/mark.tsx";
import styles from "./sign-in.module.css";

type Step =
  | { at: "waiting" }
  | { at: "asking" }
  | { at: "refused"; code: string; detail?: string; requestId?: string };

export function SignIn({ next, sentFromElsewhere }: { next: string; sentFromElsewhere: boolean }) {
  const [step, setStep] = useState<Step>({ at: "waiting" });

  const enter = useCallback(async () => {
    const token = readToken(window.location.hash);
    // A full load: what the server rendered for a stranger must not stay.
    const go = () => window.location.replace(next);
    if (token) {
      setStep({ at: "asking" });
      const answer = await post(token);
      if (answer.at !== "in") return setStep(answer);
      // A used link in the history would only confuse.
      window.history.replaceState(null, "", "/sign-in");
      return go();
    }
    // A strict cookie stays away from a visit that another site started; it is there for this page's own question.
    if (!sentFromElsewhere) return;
    const session = await fetch("/operator/trpc/session.read").catch(() => undefined);
    if (session?.ok) go();
  }, [next, sentFromElsewhere]);

  useEffect(() => {
    void enter();
    // A second link pasted into the same tab changes the fragment alone.
    window.addEventListener("hashchange", enter);
    return () => window.removeEventListener("hashchange", enter);
  }, [enter]);

  return (
    <main className={styles.page}>
      <div className={styles.card}>
        <Mark className={styles.mark} />
        <h1>Sign in to Signalbox</h1>
        {step.at === "asking" ? (
          <p className={styles.text} role="status">
            Opening your session…
          </p>
        ) : null}
        {step.at === "refused" ? (
          <ErrorNotice
            title={refusal(step.code)}
            requestId={step.requestId}
            action={
              step.code === "unauthorized" ? null : <Button onClick={() => void enter()}>Try again</Button>
            }
          >
            {step.detail ? sentenceCase(step.detail) : null}
          </ErrorNotice>
        ) : null}
        {step.at !== "asking" ? (
          <div className={styles.text}>
            <p>
              {step.at === "refused" && step.code === "unauthorized"
                ? "A fresh link is one command away"
                : "You get in with a one-time link"}
              , printed on the machine that runs Signalbox:
            </p>
            <pre className={styles.command}>
              <code>./signalbox status</code>
            </pre>
            <p>Open the link it prints. Each link works once and for a short time.</p>
          </div>
        ) : null}
      </div>
    </main>
  );
}

const readToken = (hash: string) => (hash.startsWith("#sbl_") ? hash.slice(1) : undefined);

async function post(token: string): Promise<{ at: "in" } | Extract<Step, { at: "refused" }>> {
  try {
    const answer = await fetch("/operator/v1/session", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ token }),
    });
    if (answer.ok) return { at: "in" };
    const problem: { code?: string; detail?: string; requestId?: string } = await answer
      .json()
      .catch(() => ({}));
    return { at: "refused", ...problem, code: problem.code ?? "internal" };
  } catch {
    return { at: "refused", code: "unreachable" };
  }
}

function refusal(code: string): string {
  if (code === "unauthorized" || code === "gone") return "This link does not work any more";
  if (code === "unavailable") return "The operator API does not answer";
  if (code === "unreachable") return "The console does not answer";
  if (code === "rate_limited") return "Too many tries; wait a moment";
  return "Signing in failed";
}
