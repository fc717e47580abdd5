// The keys that sign access tokens: which one signs, which are still taken, and changing them.

"use client";

import { Button } from "@signalbox/ui/button";
import { EmptyState } from "@signalbox/ui/empty-state";
import { CheckField } from "@signalbox/ui/field";
import { Panel } from "@signalbox/ui/panel";
import { Row, RowEnd, Rows, RowText } from "@signalbox/ui/rows";
import { type Aspect, SignalLamp } from "@signalbox/ui/signal-lamp";
import { useToast } from "@signalbox/ui/toasts";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Moment } from "@/moment.tsx";
import { useTRPC } from "@/trpc.ts";
import { ChangeDialog } from "../change-dialog.tsx";
import { QueryView } from "../query-view.tsx";
import { useMay } from "../use-may.ts";
import styles from "./applications.module.css";

const states: Record<"next" | "signing" | "verifying" | "retired", [Aspect, string]> = {
  next: ["dark", "Published, signs soon"],
  signing: ["clear", "Signs"],
  verifying: ["dark", "Still taken"],
  retired: ["dark", "Not taken any more"],
};

export function SigningKeys() {
  const trpc = useTRPC();
  const may = useMay("admin");
  const query = useQuery(trpc.keys.list.queryOptions({}, { refetchInterval: 10_000 }));
  const [rotating, setRotating] = useState(false);
  return (
    <QueryView query={query} what="Signing keys">
      {({ items }) => (
        <Panel
          title="Keys that sign access tokens"
          aside={
            <Button size="s" disabled={may === false} onClick={() => setRotating(true)}>
              Rotate
            </Button>
          }
          flush
        >
          <Rows label="Signing keys" columns="minmax(10rem, 3fr) minmax(10rem, 3fr) minmax(0, 3fr) auto">
            {items.map(({ kid, state, signsFrom, createdAt }) => (
              <Row key={kid} quiet={state === "retired"}>
                <RowText lead>
                  <code>{kid}</code>
                </RowText>
                <RowText>
                  <SignalLamp aspect={states[state][0]}>{states[state][1]}</SignalLamp>
                </RowText>
                <RowText faint>
                  {state === "next" ? (
                    <>
                      signs <Moment at={signsFrom} future />
                    </>
                  ) : (
                    <>
                      signed from <Moment at={signsFrom} />
                    </>
                  )}
                </RowText>
                <RowEnd>
                  <span className={styles.codes}>
                    made <Moment at={createdAt} />
                  </span>
                </RowEnd>
              </Row>
            ))}
          </Rows>
          {items.length === 0 ? (
            <EmptyState title="The first key is made when the first token is signed" />
          ) : null}
          {rotating ? <RotateDialog onClose={() => setRotating(false)} /> : null}
        </Panel>
      )}
    </QueryView>
  );
}

function RotateDialog({ onClose }: { onClose: () => void }) {
  const trpc = useTRPC();
  const toast = useToast();
  const queryClient = useQueryClient();
  const [immediately, setImmediately] = useState(false);
  const rotate = useMutation(
    trpc.keys.rotate.mutationOptions({
      onSuccess({ kid }) {
        toast("clear", `The next signing key is ${kid}`);
        onClose();
        return queryClient.invalidateQueries({ queryKey: trpc.keys.list.queryKey() });
      },
    }),
  );
  return (
    <ChangeDialog
      title="Rotate the signing key"
      subtitle={
        immediately
          ? "Tokens of the old keys are refused at once; apps trade their refresh token for a new one."
          : "The next key is published first and signs later: nobody is signed out."
      }
      onClose={onClose}
      change={rotate}
      onSubmit={(said) => rotate.mutate({ immediately, ...said })}
      failed="No key was rotated"
      needs="admin"
      submit="Rotate"
      tone={immediately ? "danger" : "primary"}
    >
      {() => (
        <CheckField
          label="A key was stolen: refuse tokens of the old ones at once"
          checked={immediately}
          onChange={(event) => setImmediately(event.target.checked)}
        />
      )}
    </ChangeDialog>
  );
}
