// A switch for an application of one's own.

"use client";

import { ChoiceField, TextField } from "@signalbox/ui/field";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTRPC } from "@/trpc.ts";
import { ChangeDialog } from "../change-dialog.tsx";

export function NewDialog({ onClose }: { onClose: () => void }) {
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const make = useMutation(
    trpc.switches.create.mutationOptions({
      onSuccess: () => queryClient.invalidateQueries({ queryKey: trpc.switches.pathKey() }),
    }),
  );
  const [key, setKey] = useState("");
  const [title, setTitle] = useState("");
  const [tags, setTags] = useState("");
  const [state, setState] = useState<"on" | "off">("off");
  const keyFault = /^[a-zA-Z][\w-]*(\.[\w-]+)+$/.test(key.trim())
    ? undefined
    : "Two words or more with dots between them: shop.checkout.";
  return (
    <ChangeDialog
      title="New switch"
      subtitle="For an application of your own, which asks for it by OpenFeature"
      done={
        <>
          <code>{make.variables?.key}</code> is there, and {make.variables?.state}
        </>
      }
      onClose={onClose}
      change={make}
      onSubmit={(said) =>
        make.mutate({
          ...{ key: key.trim(), title: title.trim(), state, ...said },
          tags: tags
            .split(",")
            .map((tag) => tag.trim())
            .filter(Boolean),
        })
      }
      failed="No switch was made"
      needs="operator"
      submit={make.isPending ? "Waiting for confirmations" : "Make the switch"}
      valid={!keyFault}
      fields={({ tried, serverFault }) => (
        <>
          <TextField
            data-autofocus=""
            label="Key"
            value={key}
            onChange={(event) => setKey(event.target.value)}
            placeholder="shop.checkout"
            hint="The first word is your application’s, and none that a module has. It can not be changed later."
            fault={tried ? (serverFault("key") ?? keyFault) : undefined}
            autoComplete="off"
            spellCheck={false}
          />
          <TextField
            label="What it is"
            optional
            value={title}
            onChange={(event) => setTitle(event.target.value)}
            maxLength={200}
          />
          <TextField
            label="Tags"
            optional
            value={tags}
            onChange={(event) => setTags(event.target.value)}
            placeholder="beta, checkout"
            hint="One switch then turns all that carry a tag."
            fault={serverFault("tags")}
            autoComplete="off"
            spellCheck={false}
          />
          <ChoiceField
            label="It begins"
            options={[
              { value: "off", label: "Off" },
              { value: "on", label: "On" },
            ]}
            value={state}
            onChange={setState}
          />
        </>
      )}
    />
  );
}
