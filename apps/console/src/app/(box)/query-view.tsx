// What was asked of the operator API: its answer, also when it is old and the next one fails; else why there is none.

"use client";

import { Button } from "@signalbox/ui/button";
import { EmptyState } from "@signalbox/ui/empty-state";
import { ErrorNotice } from "@signalbox/ui/error-notice";
import { useState } from "react";
import { faultOf, isAway, isFinal, sentence } from "@/errors.ts";
import { duration, sentenceCase } from "@/format.ts";
import { useNow } from "@/now.ts";
import styles from "./query-view.module.css";
import { useSwitches } from "./use-switches.ts";

type Query<Data> = {
  data: Data | undefined;
  error: unknown;
  dataUpdatedAt: number;
  isSuccess: boolean;
  isFetching: boolean;
  refetch: () => unknown;
};

export function QueryView<Data>({
  query,
  what,
  children,
}: {
  query: Query<Data>;
  /** In the plural: “Mails”. */
  what: string;
  children: (data: Data) => React.ReactNode;
}) {
  const error = useSteadyError(query);
  const { data } = query;
  return (
    <>
      <QueryFault query={query} what={what} />
      {data !== undefined ? children(data) : null}
      {data === undefined && error ? (
        <div className={styles.frame}>
          <EmptyState title={`${what} can not be shown now`}>
            They appear here as soon as they can be read.
          </EmptyState>
        </div>
      ) : null}
      {data === undefined && !error ? <Ghost /> : null}
    </>
  );
}

/** Why a question failed, and how old the answer is that is still shown. */
export function QueryFault({ query, what }: { query: Omit<Query<unknown>, "data">; what: string }) {
  const error = useSteadyError(query);
  const boxAway = isAway(useSteadyError(useSwitches()));
  const now = useNow();
  // Where the operator API itself is away the frame says so, once.
  const askedForMs = useAskedFor(query.isFetching, now);
  const age =
    query.dataUpdatedAt > 0 && now > 0 ? (
      // Counts up for the eye; read aloud once.
      <span aria-hidden="true"> What you see is {duration(now - query.dataUpdatedAt)} old.</span>
    ) : null;
  if (!error && askedForMs > slowMs)
    return (
      <ErrorNotice tone="caution" title={`${what}: no answer yet`}>
        The operator API, or something that it needs, takes long.{age}
      </ErrorNotice>
    );
  if (!error || (boxAway && isAway(error))) return null;
  const { code, detail, requestId } = faultOf(error);
  return (
    <div className={styles.fault}>
      <ErrorNotice
        title={`${what} can not be read`}
        requestId={requestId}
        tone={isFinal(error) ? "danger" : "caution"}
        action={
          <Button size="s" onClick={() => query.refetch()}>
            Try now
          </Button>
        }
      >
        {code === "unavailable" && detail ? `${sentenceCase(detail)}.` : sentence(code)}
        {age}
      </ErrorNotice>
    </div>
  );
}

/** Between two attempts there is no error for a moment; what one reads stays until an answer comes. */
export function useSteadyError({ error, isSuccess }: { error: unknown; isSuccess: boolean }): unknown {
  const [held, setHeld] = useState<unknown>(error);
  if (error && error !== held) setHeld(error);
  if (isSuccess && held) setHeld(null);
  return error ?? (isSuccess ? null : held);
}

/** An answer that takes longer is news in itself. */
const slowMs = 5_000;

function useAskedFor(isFetching: boolean, now: number): number {
  const [since, setSince] = useState<number | null>(null);
  if (isFetching && since === null && now > 0) setSince(now);
  if (!isFetching && since !== null) setSince(null);
  return isFetching && since !== null ? now - since : 0;
}

function Ghost() {
  return (
    <div className={styles.ghost} role="status">
      <span className="visually-hidden">Reading</span>
    </div>
  );
}
