// Programs that call for their users, each with what its key allows; and the keys that sign everyone's tokens.

"use client";

import type { Application } from "@signalbox/modules/moderation/schema";
import { Badge } from "@signalbox/ui/badge";
import { Button } from "@signalbox/ui/button";
import { EmptyState } from "@signalbox/ui/empty-state";
import { Panel } from "@signalbox/ui/panel";
import { Row, RowEnd, Rows, RowText } from "@signalbox/ui/rows";
import { SignalLamp } from "@signalbox/ui/signal-lamp";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Moment } from "@/moment.tsx";
import { useTRPC } from "@/trpc.ts";
import { rateWords } from "../event-words.ts";
import { PageHeader } from "../page-header.tsx";
import { QueryView } from "../query-view.tsx";
import { useMay } from "../use-may.ts";
import styles from "./applications.module.css";
import { CreateDialog } from "./create-dialog.tsx";
import { RevokeDialog } from "./revoke-dialog.tsx";
import { SigningKeys } from "./signing-keys.tsx";

export function Applications() {
  const trpc = useTRPC();
  const may = useMay("admin");
  const query = useQuery(trpc.applications.list.queryOptions({}, { refetchInterval: 10_000 }));
  const [open, setOpen] = useState<Application | "new" | null>(null);
  const inForce = query.data?.items.filter(({ revokedAt }) => revokedAt === null).length ?? 0;
  const create = (
    <Button
      tone="primary"
      disabled={may === false}
      title={may === false ? "This needs the role admin" : undefined}
      onClick={() => setOpen("new")}
    >
      New application
    </Button>
  );

  return (
    <>
      <PageHeader
        title="Applications"
        status={query.data ? <Badge>{inForce} in force</Badge> : null}
        about="Programs that call the public API with a key of their own, sent as X-Api-Key: where it may be used from, what it may call, and how often."
      >
        {create}
      </PageHeader>
      <QueryView query={query} what="Applications">
        {({ items }) => (
          <Panel label="Applications" flush>
            <Rows
              label="Applications"
              columns="minmax(9rem, 2fr) 6.5rem minmax(0, 3fr) minmax(0, 3fr) minmax(0, 2fr) minmax(7rem, 1.5fr) 5rem"
              heads={["Name", "Key", "May call", "From", "At most", "Made", ""]}
            >
              {items
                .toSorted((a, b) => Number(a.revokedAt !== null) - Number(b.revokedAt !== null))
                .map((application) => (
                  <ApplicationRow
                    key={application.id}
                    application={application}
                    onRevoke={may === false ? undefined : () => setOpen(application)}
                  />
                ))}
            </Rows>
            {items.length === 0 ? (
              <EmptyState title="No program has a key" action={create}>
                Callers without a key are welcome: a key is for a program whose calls you want to tell apart,
                narrow down or stop.
              </EmptyState>
            ) : null}
          </Panel>
        )}
      </QueryView>
      <SigningKeys />
      {open === "new" ? <CreateDialog onClose={() => setOpen(null)} /> : null}
      {open && open !== "new" ? <RevokeDialog application={open} onClose={() => setOpen(null)} /> : null}
    </>
  );
}

function ApplicationRow({
  application,
  onRevoke,
}: {
  application: Application;
  onRevoke: (() => void) | undefined;
}) {
  const { name, origins, scopes, rate, burst, createdBy, createdAt, revokedAt } = application;
  return (
    <Row quiet={revokedAt !== null}>
      <RowText lead>{name}</RowText>
      <RowText>
        {revokedAt ? (
          <SignalLamp aspect="dark">Revoked</SignalLamp>
        ) : (
          <SignalLamp aspect="clear">In force</SignalLamp>
        )}
      </RowText>
      <RowText wide>
        <span className={styles.codes} title={scopes.join("\n")}>
          {scopes.includes("*") ? "everything" : scopes.map((scope) => <code key={scope}>{scope}</code>)}
        </span>
      </RowText>
      <RowText wide>
        <span className={styles.codes} title={origins.join("\n")}>
          {origins.length === 0
            ? "servers only"
            : origins.includes("*")
              ? "anywhere"
              : origins.map((origin) => <code key={origin}>{origin}</code>)}
        </span>
      </RowText>
      <RowText>{rate === null ? "as its users" : rateWords({ rate, burst: burst ?? rate })}</RowText>
      <RowText faint>
        {createdBy}, <Moment at={createdAt} />
      </RowText>
      <RowEnd>
        {revokedAt || !onRevoke ? null : (
          <Button size="s" data-step="" onClick={onRevoke} aria-label={`Revoke ${name}`}>
            Revoke
          </Button>
        )}
      </RowEnd>
    </Row>
  );
}
