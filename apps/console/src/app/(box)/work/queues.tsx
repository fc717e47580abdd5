// Every queue: how much waits and for how long, and whether anybody works on it. Holding one loses nothing.

"use client";

import type { QueueItem } from "@signalbox/modules/backbone/schema";
import { Badge } from "@signalbox/ui/badge";
import { Button } from "@signalbox/ui/button";
import { EmptyState } from "@signalbox/ui/empty-state";
import { Panel } from "@signalbox/ui/panel";
import { type Aspect, SignalLamp } from "@signalbox/ui/signal-lamp";
import { Cell, HeadRow, Table } from "@signalbox/ui/table";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { count, duration, milliseconds } from "@/format.ts";
import { useTRPC } from "@/trpc.ts";
import { useUrl } from "@/use-url.ts";
import { ChangeDialog } from "../change-dialog.tsx";
import { QueryView } from "../query-view.tsx";
import { FlipDialog } from "../switches/flip-dialog.tsx";
import { useMay } from "../use-may.ts";
import { useSwitches } from "../use-switches.ts";
import styles from "./work.module.css";

const heads = ["Waiting", "Oldest", "Under way", "For later", "Takes", "Failed"];

export function Queues({
  query,
}: {
  query: Parameters<typeof QueryView<{ items: QueueItem[] }>>[0]["query"];
}) {
  const { params, set } = useUrl();
  const { byKey } = useSwitches();
  const flipped = byKey.get(params.get("flip") ?? "");
  const [retried, setRetried] = useState<QueueItem | null>(null);
  return (
    <QueryView query={query} what="Queues">
      {({ items }) => (
        <Panel title="Queues" flush>
          <Table label="How far each queue is">
            <HeadRow texts={["Queue", "State"]} numbers={heads} actions />
            <tbody>
              {items.map((item) => (
                <QueueRow
                  key={item.key}
                  item={item}
                  onTurn={() => set({ flip: item.switchKey })}
                  onRetry={() => setRetried(item)}
                />
              ))}
            </tbody>
          </Table>
          {items.length === 0 ? <EmptyState title="There is no queue" /> : null}
          {flipped ? (
            <FlipDialog key={flipped.key} item={flipped} onClose={() => set({ flip: null })} />
          ) : null}
          {retried ? <RetryDialog item={retried} onClose={() => setRetried(null)} /> : null}
        </Panel>
      )}
    </QueryView>
  );
}

/** Work that waits longer than this waits for something. */
const lateMs = 60_000;

function standing({ state, depth, oldestMs, parked }: QueueItem): [Aspect, string] {
  if (depth === null) return ["dark", "Not known"];
  if (state === "off") return ["danger", "Held"];
  if ((oldestMs ?? 0) > lateMs) return ["caution", "Behind"];
  return parked > 0 ? ["caution", "Some parked"] : ["clear", "Working"];
}

function QueueRow({ item, onTurn, onRetry }: { item: QueueItem; onTurn: () => void; onRetry: () => void }) {
  const may = useMay("operator");
  const [aspect, word] = standing(item);
  const failed = item.deadLetters + (item.failed ?? 0);
  return (
    <tr>
      <th scope="row" title={item.jobs.join(", ")}>
        <code className={styles.name}>{item.key}</code>{" "}
        <Badge title={item.kind === "consumer" ? `Runs ${item.jobs.join(", ")}` : "Work that was asked for"}>
          {item.kind === "consumer" ? "events" : "work"}
        </Badge>
      </th>
      <Cell>
        <SignalLamp aspect={aspect}>{word}</SignalLamp>
      </Cell>
      <Cell numeric tone={item.depth === 0 ? "faint" : undefined}>
        {count(item.depth)}
      </Cell>
      <Cell numeric tone={(item.oldestMs ?? 0) > lateMs ? "caution" : item.oldestMs ? undefined : "faint"}>
        {item.oldestMs ? duration(item.oldestMs) : "–"}
      </Cell>
      <Cell numeric tone={item.active ? undefined : "faint"}>
        {count(item.active)}
      </Cell>
      <Cell numeric tone={item.delayed ? undefined : "faint"}>
        {count(item.delayed)}
      </Cell>
      <Cell numeric tone={item.took ? undefined : "faint"}>
        {item.took ? `${milliseconds(item.took.p50Ms)}, p95 ${milliseconds(item.took.p95Ms)}` : "–"}
      </Cell>
      <Cell numeric tone={failed > 0 ? "danger" : "faint"}>
        {count(failed)}
        {item.parked > 0 ? <span className={styles.parked}> +{count(item.parked)} behind</span> : null}
      </Cell>
      <Cell numeric>
        {item.kind === "work" && failed > 0 ? (
          <Button size="s" onClick={onRetry} disabled={may === false} aria-label={`Try anew in ${item.key}`}>
            Try anew
          </Button>
        ) : null}{" "}
        <Button
          size="s"
          tone={item.state === "off" ? "plain" : "quiet"}
          data-step=""
          onClick={onTurn}
          disabled={may === false}
          aria-label={`${item.state === "off" ? "Let go on" : "Hold"} ${item.key}`}
        >
          {item.state === "off" ? "Let go on" : "Hold"}
        </Button>
      </Cell>
    </tr>
  );
}

function RetryDialog({ item, onClose }: { item: QueueItem; onClose: () => void }) {
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const retry = useMutation(
    trpc.queues.retry.mutationOptions({
      onSuccess() {
        onClose();
        return queryClient.invalidateQueries({ queryKey: trpc.queues.pathKey() });
      },
    }),
  );
  return (
    <ChangeDialog
      title={
        <>
          Try anew what <code>{item.key}</code> gave up
        </>
      }
      subtitle={`${count(item.failed)} jobs run again, each with all of its attempts.`}
      onClose={onClose}
      change={retry}
      onSubmit={(said) => retry.mutate({ key: item.key, ...said })}
      failed="Nothing was tried anew"
      needs="operator"
      submit="Try anew"
    />
  );
}
