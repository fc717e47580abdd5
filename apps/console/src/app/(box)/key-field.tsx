// A field for the name of a call, a job or a prefix of names, with all that there are to choose from.

"use client";

import type { SwitchItem } from "@signalbox/modules/control/schema";
import { TextField } from "@signalbox/ui/field";
import { useId } from "react";
import { useSwitches } from "./use-switches.ts";

type Kind = SwitchItem["kind"];

/** Undefined while the names are not known, or the key is one of them. */
export function useKeyFault(key: string, kinds: readonly Kind[]): string | undefined {
  const { byKey, items } = useSwitches();
  const kind = byKey.get(key)?.kind;
  if (!items || (kind && kinds.includes(kind))) return undefined;
  return "One of the names that there are, or a prefix of them: feed.post.create, feed.post, feed.";
}

export function KeyField({
  label,
  kinds,
  value,
  onChange,
  fault,
}: {
  label: string;
  kinds: readonly Kind[];
  value: string;
  onChange: (key: string) => void;
  fault: string | undefined;
}) {
  const { items } = useSwitches();
  const listId = useId();
  return (
    <div>
      <TextField
        data-autofocus=""
        label={label}
        list={listId}
        value={value}
        onChange={(event) => onChange(event.target.value)}
        fault={fault}
        autoComplete="off"
        spellCheck={false}
      />
      <datalist id={listId}>
        {items
          ?.filter(({ kind }) => kinds.includes(kind))
          .map(({ key }) => (
            <option key={key} value={key} />
          ))}
      </datalist>
    </div>
  );
}
