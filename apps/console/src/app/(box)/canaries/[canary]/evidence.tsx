// What a decision rests on: both sides, slot by slot. The log keeps evidence as it was written, so another form is shown as it is.

import { Cell, HeadRow, Table } from "@signalbox/ui/table";
import { Verbatim } from "@signalbox/ui/verbatim";
import { count } from "@/format.ts";
import styles from "./canary.module.css";

type Counts = { n: number; errors: number; slow95: number; slow99: number };
type Slot = { start: number; canary: Counts; stable: Counts };

const measures = ["n", "errors", "slow95", "slow99"] as const;
const heads = ["Requests", "Errors", "Slower than p95", "Slower than p99"];

export function Evidence({ evidence }: { evidence: unknown }) {
  const slots = slotsOf(evidence);
  if (slots === undefined)
    return (
      // What scrolls must be reachable by keyboard.
      <Verbatim tabIndex={0}>{JSON.stringify(evidence, null, 1)}</Verbatim>
    );
  return (
    <>
      <p className={styles.faint}>
        {slots.length === 0
          ? "Nothing was counted in the slots that were looked at."
          : "Canary and stable side in each slot of five seconds, the last ones before this decision. What came before, and how slow is slow, is in the API's answer."}
      </p>
      {slots.length > 0 ? (
        <Table label="Evidence slot by slot">
          <HeadRow texts={["Slot"]} numbers={heads} />
          <tbody>
            {slots.map(({ start, canary, stable }) => (
              <tr key={start}>
                <th scope="row">{new Date(start).toISOString().slice(11, 19)} UTC</th>
                {measures.map((measure) => (
                  <Cell key={measure} numeric tone={canary[measure] === 0 ? "faint" : undefined}>
                    {count(canary[measure])} : {count(stable[measure])}
                  </Cell>
                ))}
              </tr>
            ))}
          </tbody>
        </Table>
      ) : null}
    </>
  );
}

function slotsOf(evidence: unknown): Slot[] | undefined {
  const slots = (evidence as { slots?: unknown } | null)?.slots;
  return Array.isArray(slots) && slots.every(isSlot) ? slots : undefined;
}

const isSlot = (slot: Partial<Slot> | null): slot is Slot =>
  typeof slot?.start === "number" &&
  [slot.canary, slot.stable].every((side) =>
    measures.every((measure) => typeof side?.[measure] === "number"),
  );
