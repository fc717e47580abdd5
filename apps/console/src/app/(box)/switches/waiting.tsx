// What waits for somebody: proposals for a second operator, and broken glass to be looked at.

"use client";

import type { ProposalItem, ReviewItem } from "@signalbox/modules/control/schema";
import { Badge } from "@signalbox/ui/badge";
import { Button } from "@signalbox/ui/button";
import { ChoiceField } from "@signalbox/ui/field";
import { Panel } from "@signalbox/ui/panel";
import { Row, RowEnd, Rows, RowText } from "@signalbox/ui/rows";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Moment } from "@/moment.tsx";
import { useTRPC } from "@/trpc.ts";
import { ChangeDialog } from "../change-dialog.tsx";
import { changeWords } from "./change-words.ts";

type Answer = { to: "approve" | "reject"; item: ProposalItem };

export function Waiting() {
  const trpc = useTRPC();
  const { data: proposals } = useQuery(trpc.proposals.list.queryOptions({}, { refetchInterval: 5_000 }));
  const { data: reviews } = useQuery(trpc.reviews.list.queryOptions({}, { refetchInterval: 5_000 }));
  const { data: session } = useQuery(trpc.session.read.queryOptions(undefined, { staleTime: 60_000 }));
  const me = session?.operator.id;
  const [answer, setAnswer] = useState<Answer | null>(null);
  const [review, setReview] = useState<ReviewItem | null>(null);
  const waiting = (proposals?.items.length ?? 0) + (reviews?.items.length ?? 0);
  return (
    <>
      {waiting > 0 ? (
        <Panel title="Waits for a second operator" aside={<Badge tone="accent">{waiting}</Badge>} flush>
          <Rows
            label="Waits for a second operator"
            columns="minmax(12rem, 3fr) minmax(10rem, 3fr) minmax(8rem, 3fr) auto"
          >
            {proposals?.items.map((item) => {
              const mine = item.proposedBy?.id === me;
              return (
                <Row key={item.id}>
                  <RowText lead>
                    <code>{item.key}</code>
                  </RowText>
                  <RowText wide wraps>
                    {changeWords(item.change)}
                    {item.expires ? (
                      <>
                        , until <Moment at={item.expires} future />
                      </>
                    ) : null}
                  </RowText>
                  <RowText faint wide wraps>
                    {item.reason} · {mine ? "you" : item.proposedBy?.name}
                    {item.proposedAt ? (
                      <>
                        , <Moment at={item.proposedAt} />
                      </>
                    ) : null}
                  </RowText>
                  <RowEnd>
                    <Button
                      size="s"
                      tone="quiet"
                      onClick={() => setAnswer({ to: "reject", item })}
                      aria-label={`${mine ? "Withdraw" : "Refuse"} the proposal for ${item.key}`}
                    >
                      {mine ? "Withdraw" : "Refuse"}
                    </Button>
                    <Button
                      size="s"
                      onClick={() => setAnswer({ to: "approve", item })}
                      disabled={mine}
                      title={mine ? "Whoever proposes can not approve" : undefined}
                      aria-label={`Approve the proposal for ${item.key}`}
                    >
                      Approve
                    </Button>
                  </RowEnd>
                </Row>
              );
            })}
            {reviews?.items.map((item) => {
              const mine = item.brokenBy?.id === me;
              return (
                <Row key={item.revision} tone={item.isDue ? "danger" : "caution"}>
                  <RowText lead>
                    <code>{item.key}</code>
                  </RowText>
                  <RowText wide wraps>
                    Glass broken
                    {item.brokenAt ? (
                      <>
                        {" "}
                        <Moment at={item.brokenAt} />
                      </>
                    ) : null}
                    , {item.isDue ? "review is overdue" : "to be looked at"}{" "}
                    {item.isDue ? null : <Moment at={item.dueAt} future />}
                  </RowText>
                  <RowText faint wide wraps>
                    {item.reason} · {mine ? "you" : item.brokenBy?.name}
                  </RowText>
                  <RowEnd>
                    <Button
                      size="s"
                      onClick={() => setReview(item)}
                      disabled={mine}
                      title={mine ? "Whoever broke the glass can not review it" : undefined}
                      aria-label={`Review ${item.key}`}
                    >
                      Review
                    </Button>
                  </RowEnd>
                </Row>
              );
            })}
          </Rows>
        </Panel>
      ) : null}
      {answer ? <AnswerDialog key={answer.item.id} {...answer} onClose={() => setAnswer(null)} /> : null}
      {review ? <ReviewDialog key={review.revision} item={review} onClose={() => setReview(null)} /> : null}
    </>
  );
}

function AnswerDialog({ to, item, onClose }: Answer & { onClose: () => void }) {
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const refresh = { onSuccess: () => queryClient.invalidateQueries() };
  const approve = useMutation(trpc.proposals.approve.mutationOptions(refresh));
  const reject = useMutation(trpc.proposals.reject.mutationOptions(refresh));
  const { id, hash, key } = item;
  const change = to === "approve" ? approve : reject;
  return (
    <ChangeDialog
      title={
        <>
          {to === "approve" ? "Approve for" : "Refuse for"} <code>{key}</code>
        </>
      }
      subtitle={`${changeWords(item.change)}. Proposed by ${item.proposedBy?.name ?? "somebody"}: ${item.reason}`}
      done={
        <>
          <code>{key}</code>: {to === "approve" ? changeWords(item.change).toLowerCase() : "refused"}
        </>
      }
      onClose={onClose}
      change={change}
      onSubmit={(said) =>
        to === "approve" ? approve.mutate({ id, hash, ...said }) : reject.mutate({ id, ...said })
      }
      failed={to === "approve" ? "It was not approved" : "It was not refused"}
      needs="operator"
      submit={change.isPending ? "Waiting for confirmations" : to === "approve" ? "Approve" : "Refuse"}
    />
  );
}

function ReviewDialog({ item, onClose }: { item: ReviewItem; onClose: () => void }) {
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const close = useMutation(
    trpc.reviews.close.mutationOptions({ onSuccess: () => queryClient.invalidateQueries() }),
  );
  const [verdict, setVerdict] = useState<"right" | "wrong">("right");
  return (
    <ChangeDialog
      title={
        <>
          Was it right to break the glass of <code>{item.key}</code>?
        </>
      }
      subtitle={`${item.brokenBy?.name ?? "Somebody"}: ${item.reason}`}
      done="Looked at"
      onClose={onClose}
      change={close}
      onSubmit={(said) => close.mutate({ revision: item.revision, verdict, ...said })}
      failed="The review was not kept"
      needs="operator"
      submit="Keep the review"
      fields={() => (
        <ChoiceField
          label="It was"
          options={[
            { value: "right", label: "Right" },
            { value: "wrong", label: "Wrong" },
          ]}
          value={verdict}
          onChange={setVerdict}
        />
      )}
    />
  );
}
