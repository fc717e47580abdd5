// What an operator does to one account, each with its reason and with what it means said first.

"use client";

import type { UserItem } from "@signalbox/modules/moderation/schema";
import { TextField } from "@signalbox/ui/field";
import { useToast } from "@signalbox/ui/toasts";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTRPC } from "@/trpc.ts";
import { ChangeDialog } from "../../change-dialog.tsx";
import type { Role } from "../../use-may.ts";
import { nameOf } from "./person-name.ts";

export type Act = "suspend" | "restore" | "signOut" | "role" | "export" | "erase";

type Words = {
  title: string;
  means: string;
  submit: string;
  failed: string;
  done: string;
  tone?: "danger";
  needs: Role;
};

function wordsOf(act: Act, person: UserItem): Words {
  const name = nameOf(person);
  switch (act) {
    case "suspend":
      return {
        title: `Suspend ${name}`,
        means:
          "Ends every session within a second and refuses signing in. They are told the reason when they try.",
        submit: "Suspend",
        failed: "The account was not suspended",
        done: `${name} is suspended`,
        tone: "danger",
        needs: "operator",
      };
    case "restore":
      return {
        title: `Lift the suspension of ${name}`,
        means: "They can sign in again at once.",
        submit: "Lift the suspension",
        failed: "The suspension was not lifted",
        done: `${name} can sign in again`,
        needs: "operator",
      };
    case "signOut":
      return {
        title: `Sign ${name} out everywhere`,
        means: "Every session ends within a second; they can sign in again.",
        submit: "Sign out everywhere",
        failed: "Nobody was signed out",
        done: `${name} is signed out everywhere`,
        tone: "danger",
        needs: "operator",
      };
    case "role":
      return person.role === "moderator"
        ? {
            title: `Make ${name} a user`,
            means: "They lose the moderators' queue at once, and sign in anew.",
            submit: "Make a user",
            failed: "The role was not changed",
            done: `${name} is a user`,
            needs: "admin",
          }
        : {
            title: `Make ${name} a moderator`,
            means: "They can read reports, decide about them and suspend users. They sign in anew.",
            submit: "Make a moderator",
            failed: "The role was not changed",
            done: `${name} is a moderator`,
            needs: "admin",
          };
    case "export":
      return {
        title: `Export what is kept of ${name}`,
        means: "The workers write an archive, which is kept for a week. You can download it here.",
        submit: "Export",
        failed: "No export was begun",
        done: "The export is under way",
        needs: "admin",
      };
    case "erase":
      return {
        title: `Erase ${name}`,
        means:
          "The account is gone at once, and everything of it within minutes, back-ups apart. This can not be undone.",
        submit: "Erase for good",
        failed: "Nothing was erased",
        done: "The erasure is under way",
        tone: "danger",
        needs: "admin",
      };
  }
}

export function PersonDialog({ act, person, onClose }: { act: Act; person: UserItem; onClose: () => void }) {
  const trpc = useTRPC();
  const toast = useToast();
  const queryClient = useQueryClient();
  const words = wordsOf(act, person);
  const [confirmed, setConfirmed] = useState("");

  const settled = {
    onSuccess: () => {
      toast("clear", words.done);
      onClose();
      return Promise.all(
        [trpc.users, trpc.sessions, trpc.activity, trpc.personal, trpc.cases].map((part) =>
          queryClient.invalidateQueries({ queryKey: part.pathKey() }),
        ),
      );
    },
  };
  const changes = {
    suspend: useMutation(trpc.users.suspend.mutationOptions(settled)),
    restore: useMutation(trpc.users.restore.mutationOptions(settled)),
    signOut: useMutation(trpc.users.endSessions.mutationOptions(settled)),
    export: useMutation(trpc.personal.export.mutationOptions(settled)),
    erase: useMutation(trpc.personal.erase.mutationOptions(settled)),
  };
  const role = useMutation(trpc.users.role.mutationOptions(settled));

  const wanted = person.handle ?? person.id;
  const mistyped = act === "erase" && confirmed.trim().replace(/^@/, "") !== wanted;

  return (
    <ChangeDialog
      title={words.title}
      subtitle={words.means}
      onClose={onClose}
      change={act === "role" ? role : changes[act]}
      onSubmit={(said) =>
        act === "role"
          ? role.mutate({
              user: person.id,
              role: person.role === "moderator" ? "user" : "moderator",
              ...said,
            })
          : changes[act].mutate({ user: person.id, ...said })
      }
      reasonHint={
        act === "suspend" ? "They read it when they try to sign in; it stays in the log." : undefined
      }
      failed={words.failed}
      needs={words.needs}
      submit={words.submit}
      tone={words.tone ?? "primary"}
      valid={!mistyped}
    >
      {({ tried }) =>
        act === "erase" ? (
          <TextField
            label={`Type ${wanted} to be sure`}
            value={confirmed}
            onChange={(event) => setConfirmed(event.target.value)}
            fault={tried && mistyped ? `This is not ${wanted}.` : undefined}
            autoComplete="off"
            spellCheck={false}
          />
        ) : null
      }
    </ChangeDialog>
  );
}
