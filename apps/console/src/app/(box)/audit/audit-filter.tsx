// What the log is narrowed to: a key that is known, or else who acted. Typed as one field, as one thinks of it.

"use client";

import { Button } from "@signalbox/ui/button";
import { FilterField } from "@signalbox/ui/field";
import { useId, useState } from "react";
import { useSwitches } from "../use-switches.ts";

type Wanted = { key?: string | undefined; actor?: string | undefined };

export function AuditFilter({ wanted, onChange }: { wanted: Wanted; onChange: (wanted: Wanted) => void }) {
  const { items } = useSwitches();
  const [typed, setTyped] = useState(wanted.key ?? wanted.actor ?? "");
  const listId = useId();

  function apply(text: string) {
    const given = text.trim();
    if (given === "") return onChange({});
    onChange(
      looksLikeKey(given) || items?.some(({ key }) => key === given) ? { key: given } : { actor: given },
    );
  }

  return (
    <>
      <FilterField
        label="A key, or who acted"
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
      {wanted.key || wanted.actor ? (
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
