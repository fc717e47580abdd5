// Deciding about a case. It leaves the queue at once; where the platform refuses, it comes back and says why.

"use client";

import type { CaseItem } from "@signalbox/modules/moderation/schema";
import { CheckField } from "@signalbox/ui/field";
import { useToast } from "@signalbox/ui/toasts";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { faultOf } from "@/errors.ts";
import { useTRPC } from "@/trpc.ts";
import { ChangeDialog } from "../change-dialog.tsx";
import { titleOf } from "./case-title.ts";
import styles from "./decide-dialog.module.css";

export type Decision = "dismiss" | "remove" | "suspend";

const inText = (item: CaseItem) => titleOf(item).replace(/^[AT]/, (letter) => letter.toLowerCase());

const words: Record<
  Decision,
  { title: (item: CaseItem) => string; means: string; submit: string; done: string }
> = {
  dismiss: {
    title: (item) =>
      `Dismiss ${item.reports === 1 ? "the report" : `${item.reports} reports`} of ${inText(item)}`,
    means: "Nothing changes for anyone; the reports leave the queue.",
    submit: "Dismiss",
    done: "dismissed",
  },
  remove: {
    title: (item) => `Delete ${inText(item)}`,
    means: "The post is gone for everyone at once; its author can go on.",
    submit: "Delete the post",
    done: "upheld, the post is deleted",
  },
  suspend: {
    title: ({ owner }) => `Suspend ${owner?.handle ? `@${owner.handle}` : "the account"}`,
    means: "Every session ends within a second and signing in is refused, with this reason.",
    submit: "Suspend",
    done: "upheld, the account is suspended",
  },
};

export function DecideDialog({
  item,
  decision,
  onClose,
}: {
  item: CaseItem;
  decision: Decision;
  onClose: () => void;
}) {
  const trpc = useTRPC();
  const toast = useToast();
  const queryClient = useQueryClient();
  const { title, means, submit, done } = words[decision];
  const canRemove = decision === "suspend" && item.post !== null;
  const [alsoRemove, setAlsoRemove] = useState(canRemove);
  const listKey = trpc.cases.list.queryKey({ state: "open" });

  const decide = useMutation(
    trpc.cases.decide.mutationOptions({
      async onMutate({ subject }) {
        await queryClient.cancelQueries({ queryKey: listKey });
        const before = queryClient.getQueryData(listKey);
        if (before)
          queryClient.setQueryData(listKey, {
            ...before,
            items: before.items.filter((it) => it.subject.id !== subject.id),
          });
        return { before };
      },
      onSuccess() {
        toast("clear", `${titleOf(item)}: ${done}`);
        onClose();
      },
      onError(error, _input, kept) {
        if (kept?.before) queryClient.setQueryData(listKey, kept.before);
        // Someone else was faster: nothing is left to do here.
        if (faultOf(error).code !== "conflict") return;
        toast("caution", `${titleOf(item)} was decided by someone else a moment ago`);
        onClose();
      },
      onSettled: () => queryClient.invalidateQueries({ queryKey: trpc.cases.pathKey() }),
    }),
  );

  return (
    <ChangeDialog
      title={title(item)}
      subtitle={means}
      onClose={onClose}
      change={decide}
      onSubmit={(said) =>
        decide.mutate({
          subject: item.subject,
          ...said,
          removePost: decision === "remove" || alsoRemove,
          suspend: decision === "suspend",
        })
      }
      reasonHint={
        decision === "suspend" ? "They read it when they try to sign in; it stays in the log." : undefined
      }
      failed="Nothing was decided"
      needs="operator"
      submit={submit}
      tone={decision === "dismiss" ? "primary" : "danger"}
      notice={item.post ? <blockquote className={styles.post}>{item.post.text}</blockquote> : null}
    >
      {() =>
        canRemove ? (
          <CheckField
            label="Delete this post too"
            checked={alsoRemove}
            onChange={(event) => setAlsoRemove(event.target.checked)}
          />
        ) : null
      }
    </ChangeDialog>
  );
}
