// A new application, and its key: shown this once, because only its hash is kept.

"use client";

import type { NewApplication } from "@signalbox/modules/moderation/schema";
import { Button } from "@signalbox/ui/button";
import { Dialog, DialogBody, DialogFooter } from "@signalbox/ui/dialog";
import { ErrorNotice } from "@signalbox/ui/error-notice";
import { TextArea, TextField } from "@signalbox/ui/field";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTRPC } from "@/trpc.ts";
import { ChangeDialog } from "../change-dialog.tsx";
import { CopyButton } from "../copy-button.tsx";
import styles from "./applications.module.css";

const words = (text: string) => text.split(/[\s,]+/).filter(Boolean);
const whole = (text: string) => text.trim() === "" || (Number.isInteger(Number(text)) && Number(text) > 0);

export function CreateDialog({ onClose }: { onClose: () => void }) {
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const create = useMutation(
    trpc.applications.create.mutationOptions({
      onSuccess: () => queryClient.invalidateQueries({ queryKey: trpc.applications.list.queryKey() }),
    }),
  );
  const [name, setName] = useState("");
  const [scopes, setScopes] = useState("");
  const [origins, setOrigins] = useState("");
  const [rate, setRate] = useState("");
  const [burst, setBurst] = useState("");

  const nameFault = name.trim() === "" ? "Give it a name." : undefined;
  const scopeFault = words(scopes).length === 0 ? "At least one: * allows every call." : undefined;
  const rateFault = whole(rate) ? undefined : "A whole number, or nothing.";
  const burstFault = whole(burst) ? undefined : "A whole number, or nothing.";

  if (create.data) return <KeyOnce made={create.data} onClose={onClose} />;

  return (
    <ChangeDialog
      title="New application"
      subtitle="Its key is shown once, when it is made"
      onClose={onClose}
      change={create}
      onSubmit={(said) =>
        create.mutate({
          name: name.trim(),
          scopes: words(scopes),
          origins: words(origins),
          ...(rate.trim() ? { rate: Number(rate) } : {}),
          ...(burst.trim() ? { burst: Number(burst) } : {}),
          ...said,
        })
      }
      failed="No application was made"
      needs="admin"
      submit="Make the key"
      valid={!nameFault && !scopeFault && !rateFault && !burstFault}
      fields={({ tried, serverFault }) => (
        <>
          <TextField
            data-autofocus=""
            label="Name"
            value={name}
            onChange={(event) => setName(event.target.value)}
            fault={tried ? (serverFault("name") ?? nameFault) : undefined}
            maxLength={100}
            autoComplete="off"
          />
          <TextArea
            label="May call"
            hint="Names of calls or prefixes of them, apart by spaces: feed users.profile.read"
            value={scopes}
            onChange={(event) => setScopes(event.target.value)}
            fault={tried ? (faultOfList(serverFault, "scopes", words(scopes)) ?? scopeFault) : undefined}
            spellCheck={false}
          />
          <TextArea
            label="From"
            optional
            hint="Origins of web pages, apart by spaces: https://app.example.com. Without one, only programs without a browser."
            value={origins}
            onChange={(event) => setOrigins(event.target.value)}
            fault={tried ? faultOfList(serverFault, "origins", words(origins)) : undefined}
            spellCheck={false}
          />
          <div className={styles.pair}>
            <TextField
              label="Calls a second"
              optional
              inputMode="numeric"
              value={rate}
              onChange={(event) => setRate(event.target.value)}
              fault={tried ? (serverFault("rate") ?? rateFault) : undefined}
            />
            <TextField
              label="At once, after a rest"
              optional
              inputMode="numeric"
              value={burst}
              onChange={(event) => setBurst(event.target.value)}
              fault={tried ? (serverFault("burst") ?? burstFault) : undefined}
            />
          </div>
        </>
      )}
    />
  );
}

/** The server names the one of a list: `scopes.1`. */
function faultOfList(
  serverFault: (field: string) => string | undefined,
  field: string,
  given: string[],
): string | undefined {
  for (const [at, word] of given.entries()) {
    const message = serverFault(`${field}.${at}`);
    if (message) return `${word} ${message}`;
  }
  return serverFault(field);
}

function KeyOnce({ made, onClose }: { made: NewApplication; onClose: () => void }) {
  return (
    <Dialog title={`The key of ${made.name}`} onClose={onClose}>
      <DialogBody>
        <div className={styles.once}>
          <ErrorNotice tone="caution" title="Nobody can see this key again">
            Only a hash of it is kept. Copy it now to where the program reads it.
          </ErrorNotice>
          <code>{made.key}</code>
          <p>
            The program sends it as <code>X-Api-Key</code> with each call.
          </p>
        </div>
      </DialogBody>
      <DialogFooter>
        <CopyButton text={made.key} tone="primary" data-autofocus="">
          Copy the key
        </CopyButton>
        <Button onClick={onClose}>I have kept it</Button>
      </DialogFooter>
    </Dialog>
  );
}
