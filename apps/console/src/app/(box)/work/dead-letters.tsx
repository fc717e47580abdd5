// Events that no attempt could handle. Later events of the same user wait behind them, in their order.

"use client";

import type { DeadLetter } from "@signalbox/modules/backbone/schema";
import { Badge } from "@signalbox/ui/badge";
import { Button } from "@signalbox/ui/button";
import { Dialog, DialogBody, DialogFooter } from "@signalbox/ui/dialog";
import { EmptyState } from "@signalbox/ui/empty-state";
import { type Fact, Facts } from "@signalbox/ui/facts";
import { Panel } from "@signalbox/ui/panel";
import { opensRow, Row, RowEnd, Rows, RowText } from "@signalbox/ui/rows";
import { useToast } from "@signalbox/ui/toasts";
import { Verbatim } from "@signalbox/ui/verbatim";
import { keepPreviousData, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { count } from "@/format.ts";
import { Moment } from "@/moment.tsx";
import { useTRPC } from "@/trpc.ts";
import { useUrl } from "@/use-url.ts";
import { ChangeDialog } from "../change-dialog.tsx";
import { CopyButton } from "../copy-button.tsx";
import { QueryView } from "../query-view.tsx";
import { useMay } from "../use-may.ts";
import styles from "./work.module.css";

const shownAtMost = 100;

/** A letter, or all of a queue, or all there are. */
type Chosen = { letter: Shown } | { queue: string } | "all";
type Shown = Omit<DeadLetter, "payload"> & { payload?: unknown };

export function DeadLetters({ queues }: { queues: string[] }) {
  const trpc = useTRPC();
  const { params, set } = useUrl();
  const queue = queues.find((key) => key === params.get("queue"));
  const query = useQuery(
    trpc.deadletters.list.queryOptions(
      { limit: shownAtMost, ...(queue ? { queue } : {}) },
      { refetchInterval: 2_000, placeholderData: keepPreviousData },
    ),
  );
  const may = useMay("operator");
  const [replayed, setReplayed] = useState<Chosen | null>(null);
  const [discarded, setDiscarded] = useState<Shown | null>(null);
  const opened = query.data?.items.find(({ id }) => id === params.get("letter"));
  return (
    <QueryView query={query} what="Dead letters">
      {({ items, nextCursor }) => (
        <Panel
          title="Dead letters"
          aside={
            <>
              {queues.length > 0 && (items.length > 0 || queue) ? (
                <select
                  className={styles.choice}
                  aria-label="Queue"
                  value={queue ?? ""}
                  onChange={(event) => set({ queue: event.target.value })}
                >
                  <option value="">Every queue</option>
                  {queues.map((key) => (
                    <option key={key} value={key}>
                      {key}
                    </option>
                  ))}
                </select>
              ) : null}
              {items.length > 0 ? (
                <Button
                  size="s"
                  onClick={() => setReplayed(queue ? { queue } : "all")}
                  disabled={may === false}
                >
                  {queue ? `Run all of ${queue} again` : "Run all again"}
                </Button>
              ) : null}
            </>
          }
          flush
        >
          {items.length > 0 ? (
            <Rows
              label="Dead letters"
              columns="minmax(9rem, 2fr) 7rem minmax(12rem, 5fr) minmax(9rem, 1.5fr) 6rem"
              heads={["Event", "Queue", "What went wrong", "When", ""]}
            >
              {items.map((letter) => (
                <Row key={letter.id} tone={letter.replayRequestedAt ? "caution" : "danger"}>
                  <RowText lead>
                    <button
                      type="button"
                      className={opensRow}
                      data-step=""
                      onClick={() => set({ letter: letter.id })}
                    >
                      {letter.topic}
                    </button>
                  </RowText>
                  <RowText faint>{letter.queue}</RowText>
                  <RowText wide wraps>
                    {letter.error}{" "}
                    {letter.waiting > 0 ? <Badge tone="caution">{count(letter.waiting)} behind</Badge> : null}
                  </RowText>
                  <RowText faint>
                    {letter.replayRequestedAt ? (
                      "runs again now"
                    ) : (
                      <>
                        <Moment at={letter.failedAt} />, {letter.attempts} attempts
                      </>
                    )}
                  </RowText>
                  <RowEnd>
                    <Button
                      size="s"
                      onClick={() => setReplayed({ letter })}
                      disabled={may === false || letter.replayRequestedAt !== null}
                      aria-label={`Run again ${letter.topic} ${letter.id}`}
                    >
                      Run again
                    </Button>
                  </RowEnd>
                </Row>
              ))}
            </Rows>
          ) : (
            <EmptyState title={queue ? `No dead letter of ${queue}` : "No dead letter"}>
              An event that no attempt could handle is laid aside here with its error, and holds up nobody
              else.
            </EmptyState>
          )}
          {nextCursor ? <EmptyState title={`The ${shownAtMost} oldest are shown`} /> : null}
          {opened ? (
            <LetterPanel
              letter={opened}
              onReplay={() => setReplayed({ letter: opened })}
              onDiscard={() => setDiscarded(opened)}
              onClose={() => set({ letter: null })}
            />
          ) : null}
          {replayed ? <ReplayDialog chosen={replayed} onClose={() => setReplayed(null)} /> : null}
          {discarded ? <DiscardDialog letter={discarded} onClose={() => setDiscarded(null)} /> : null}
        </Panel>
      )}
    </QueryView>
  );
}

function LetterPanel({
  letter,
  onReplay,
  onDiscard,
  onClose,
}: {
  letter: Shown;
  onReplay: () => void;
  onDiscard: () => void;
  onClose: () => void;
}) {
  const may = useMay("operator");
  const facts: Fact[] = [
    ["Queue", letter.queue],
    ["Of user", <code key="user">{letter.key}</code>],
    ["Event", <code key="event">{letter.eventId}</code>],
    ["Failed", <Moment key="at" at={letter.failedAt} />],
    ["Attempts", count(letter.attempts)],
    ["Behind it", letter.waiting === 0 ? "nothing" : `${count(letter.waiting)} later events of this user`],
  ];
  if (letter.requestId) facts.push(["Request", <code key="request">{letter.requestId}</code>]);
  const payload = JSON.stringify(letter.payload, null, 2);
  return (
    <Dialog side title={letter.topic} subtitle={`Dead letter ${letter.id}`} onClose={onClose}>
      <DialogBody>
        <p className={styles.error}>{letter.error}</p>
        <Facts facts={facts} />
        <div className={styles.payload}>
          <h3>Payload</h3>
          <CopyButton size="s" tone="quiet" text={payload}>
            Copy
          </CopyButton>
        </div>
        <Verbatim>{payload}</Verbatim>
      </DialogBody>
      <DialogFooter>
        <Button onClick={onDiscard} disabled={may === false}>
          Give up for good
        </Button>
        <Button
          tone="primary"
          onClick={onReplay}
          disabled={may === false || letter.replayRequestedAt !== null}
        >
          {letter.replayRequestedAt ? "Runs again now" : "Run again"}
        </Button>
      </DialogFooter>
    </Dialog>
  );
}

function ReplayDialog({ chosen, onClose }: { chosen: Chosen; onClose: () => void }) {
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const toast = useToast();
  const settled = {
    onSuccess({ asked }: { asked: number }) {
      toast("clear", `${count(asked)} asked to run again; what is well leaves the list`);
      onClose();
      return queryClient.invalidateQueries({ queryKey: trpc.deadletters.pathKey() });
    },
  };
  const one = useMutation(trpc.deadletters.replay.mutationOptions(settled));
  const many = useMutation(trpc.deadletters.replayMany.mutationOptions(settled));
  const letter = chosen !== "all" && "letter" in chosen ? chosen.letter : undefined;
  return (
    <ChangeDialog
      title={
        letter ? (
          <>
            Run <code>{letter.topic}</code> again
          </>
        ) : chosen !== "all" && "queue" in chosen ? (
          <>
            Run all dead letters of <code>{chosen.queue}</code> again
          </>
        ) : (
          "Run all dead letters again"
        )
      }
      subtitle="With what waits behind. What fails again stays, with its new error; what had its effect already has none again."
      onClose={onClose}
      change={letter ? one : many}
      onSubmit={(said) => {
        if (letter) one.mutate({ id: letter.id, ...said });
        else if (chosen === "all") many.mutate({ all: true, ...said });
        else if ("queue" in chosen) many.mutate({ queue: chosen.queue, ...said });
      }}
      failed="Nothing runs again"
      needs="operator"
      submit="Run again"
    />
  );
}

function DiscardDialog({ letter, onClose }: { letter: Shown; onClose: () => void }) {
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const toast = useToast();
  const discard = useMutation(
    trpc.deadletters.discard.mutationOptions({
      onSuccess() {
        toast("caution", `${letter.topic} given up; the log keeps which event it was`);
        onClose();
        return queryClient.invalidateQueries({ queryKey: trpc.deadletters.pathKey() });
      },
    }),
  );
  return (
    <ChangeDialog
      title={
        <>
          Give up <code>{letter.topic}</code> for good
        </>
      }
      subtitle="It never happens. What waits behind it goes on."
      onClose={onClose}
      change={discard}
      onSubmit={(said) => discard.mutate({ id: letter.id, ...said })}
      failed="It was not given up"
      needs="operator"
      submit="Give it up"
      tone="danger"
    />
  );
}
