// Exports and erasures with how far each is: of everyone, or of one person.

"use client";

import type { PersonalRequest } from "@signalbox/modules/personal/schema";
import { Panel } from "@signalbox/ui/panel";
import { Row, RowEnd, Rows, RowText } from "@signalbox/ui/rows";
import { type Aspect, SignalLamp } from "@signalbox/ui/signal-lamp";
import { useQuery } from "@tanstack/react-query";
import { count } from "@/format.ts";
import { Moment } from "@/moment.tsx";
import { useTRPC } from "@/trpc.ts";
import { QueryFault } from "../query-view.tsx";
import { useMay } from "../use-may.ts";
import styles from "./request-list.module.css";

const states: Record<PersonalRequest["state"], [Aspect, string]> = {
  waiting: ["dark", "Waiting"],
  running: ["caution", "Running"],
  done: ["clear", "Done"],
  failed: ["danger", "Failed"],
};

export function RequestList({ user }: { user?: string }) {
  const trpc = useTRPC();
  const may = useMay("admin");
  const query = useQuery(
    trpc.personal.list.queryOptions(
      { limit: 20, ...(user ? { user } : {}) },
      {
        enabled: may === true,
        // One that runs is watched.
        refetchInterval: ({ state }) =>
          state.data?.items.some((it) => it.state === "waiting" || it.state === "running") ? 1_000 : 10_000,
      },
    ),
  );
  if (!may) return null;
  if (query.error && !query.data) return <QueryFault query={query} what="Exports and erasures" />;
  if (!query.data || query.data.items.length === 0) return null;
  return (
    <Panel title="Exports and erasures" flush>
      <Rows label="Exports and erasures" columns="6rem 7rem minmax(8rem, 4fr) minmax(7rem, 2fr) 7rem">
        {query.data.items.map((request) => (
          <RequestRow key={request.id} request={request} />
        ))}
      </Rows>
    </Panel>
  );
}

function RequestRow({ request }: { request: PersonalRequest }) {
  const [aspect, word] = states[request.state];
  const touched = request.steps.reduce((all, step) => all + step.count, 0);
  const last = request.steps.at(-1);
  return (
    <Row tone={request.state === "failed" ? "danger" : undefined}>
      <RowText lead>{request.kind === "export" ? "Export" : "Erasure"}</RowText>
      <RowText>
        <SignalLamp aspect={aspect}>{word}</SignalLamp>
      </RowText>
      <RowText wide>
        {request.state === "done" ? (
          `${count(touched)} ${touched === 1 ? "thing" : "things"} ${request.kind === "export" ? "written" : "taken away"}`
        ) : request.error ? (
          request.error
        ) : (
          <span className={styles.progress}>
            <progress
              value={request.steps.length}
              max={Math.max(request.total, 1)}
              aria-label={`${request.kind}: steps done`}
            />
            {request.steps.length} of {request.total} steps{last ? `, last ${last.name}` : ""}
          </span>
        )}
      </RowText>
      <RowText>
        {request.archive ? (
          <a href={request.archive} download>
            Download the archive
          </a>
        ) : null}
      </RowText>
      <RowEnd>
        <Moment at={request.finishedAt ?? request.createdAt} />
      </RowEnd>
    </Row>
  );
}
