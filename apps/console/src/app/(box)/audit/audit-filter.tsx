// What the log is narrowed to: a key that is known, an incident, or else who acted. Typed as one field, as one thinks of it.

"use client";

import { Button } from "@signalbox/ui/button";
import { FilterField } from "@signalbox/ui/field";
import { useId, useState } from "react";
import { useSwitches } from "../use-switches.ts";

type Wanted = Partial<Record<"key" | "actor" | "incident", string | undefined>>;

export function AuditFilter({ wanted, onChange }: { wanted: Wanted; onChange: (wanted: Wanted) => void }) {
  const { items } = useSwitches();
  const [typed, setTyped] = useState(wanted.key ?? wanted.incident ?? wanted.actor ?? "");
  const listId = useId();

  function apply(text: string) {
    const given = text.trim();
    if (given === "") return onChange({});
    if (looksLikeKey(given) || items?.some(({ key }) => key === given)) return onChange({ key: given });
    onChange(looksLikeIncident(given) ? { incident: given } : { actor: given });
  }

  return (
    <>
      <FilterField
        label="A key, who acted, or an incident"
        list={listId}
        value={typed}
        onChange={(event) => {
          setTyped(event.target.value);
          // Chosen from the list, or taken out: no need to press Enter.
          if (event.target.value === "" || items?.some(({ key }) => key === event.target.value))
            apply(event.target.value);
        }}
        onKeyDown={(event) => {
          if (event.key === "Enter") apply(typed);
        }}
        onBlur={() => apply(typed)}
      />
      <datalist id={listId}>
        {items?.map(({ key }) => (
          <option key={key} value={key} />
        ))}
      </datalist>
      {wanted.key || wanted.actor || wanted.incident ? (
        <Button
          size="s"
          tone="quiet"
          onClick={() => {
            setTyped("");
            onChange({});
          }}
        >
          Show all
        </Button>
      ) : null}
    </>
  );
}

/** Names of calls have dots, ids are long. */
const looksLikeKey = (text: string) => /^[\w-]+(\.[\w-]+)+$|^[0-9a-f-]{36}$/i.test(text);

/** `INC-42`, `ops-7`: letters and a number. What is called otherwise is reached by its link. */
const looksLikeIncident = (text: string) => /^[a-z]+[-#]\d+$/i.test(text);
