// Where services run, and how much of the traffic that would go to a zone does: turning it down drains the zone.

"use client";

import type { ZoneItem } from "@signalbox/modules/control/schema";
import { Button } from "@signalbox/ui/button";
import { ChoiceField, TextField } from "@signalbox/ui/field";
import { Panel } from "@signalbox/ui/panel";
import { Row, RowEnd, Rows, RowText } from "@signalbox/ui/rows";
import { SignalLamp } from "@signalbox/ui/signal-lamp";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { count } from "@/format.ts";
import { useTRPC } from "@/trpc.ts";
import { ChangeDialog } from "../change-dialog.tsx";
import { ChangedBy } from "../changed-by.tsx";
import { QueryView } from "../query-view.tsx";
import { useMay } from "../use-may.ts";

export function Zones() {
  const trpc = useTRPC();
  const query = useQuery(trpc.zones.list.queryOptions({}, { refetchInterval: 5_000 }));
  const may = useMay("operator");
  const [changed, setChanged] = useState<ZoneItem | null>(null);
  return (
    <QueryView query={query} what="Zones">
      {({ items }) => (
        <Panel title="Zones" aside="how much of a zone's traffic stays there" flush>
          <Rows label="Zones" columns="minmax(8rem, 2fr) 9rem minmax(9rem, 2fr) minmax(0, 6fr) auto">
            {items.map((item) => (
              <Row
                key={item.key}
                tone={item.weight === 0 ? "danger" : item.weight < 100 ? "caution" : undefined}
              >
                <RowText lead>{item.key}</RowText>
                <RowText>
                  <SignalLamp aspect={item.weight === 0 ? "danger" : item.weight < 100 ? "caution" : "clear"}>
                    {item.weight === 0 ? "Drained" : `${item.weight}%`}
                  </SignalLamp>
                </RowText>
                <RowText faint={item.instances === 0}>
                  {item.instances === 0
                    ? "no service of its own"
                    : `${count(item.instances)} ${item.instances === 1 ? "service" : "services"}`}
                </RowText>
                <RowText wide>
                  {item.revision > 0 ? (
                    <>
                      {item.reason}, <ChangedBy item={item} />
                    </>
                  ) : null}
                </RowText>
                <RowEnd>
                  <Button
                    size="s"
                    tone="quiet"
                    data-step=""
                    onClick={() => setChanged(item)}
                    disabled={may === false}
                    aria-label={`Shift the traffic of ${item.key}`}
                  >
                    Shift
                  </Button>
                </RowEnd>
              </Row>
            ))}
          </Rows>
          {changed ? <ShiftDialog item={changed} onClose={() => setChanged(null)} /> : null}
        </Panel>
      )}
    </QueryView>
  );
}

function ShiftDialog({ item, onClose }: { item: ZoneItem; onClose: () => void }) {
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const shift = useMutation(
    trpc.zones.set.mutationOptions({
      onSuccess: () => queryClient.invalidateQueries({ queryKey: trpc.zones.pathKey() }),
    }),
  );
  const [weight, setWeight] = useState(item.weight === 100 ? "0" : "100");
  const value = Number(weight);
  const fault = weight.trim() !== "" && value >= 0 && value <= 100 ? undefined : "From 0 to 100.";
  return (
    <ChangeDialog
      title={`Shift the traffic of ${item.key}`}
      subtitle={`Now ${item.weight}% of the calls that would go there do; the others go to the other zones.`}
      done={`${item.key} takes ${shift.variables?.weight ?? value}% of its traffic`}
      onClose={onClose}
      change={shift}
      onSubmit={(said, expiresAt) => shift.mutate({ key: item.key, weight: value, ...said, expiresAt })}
      failed="The traffic was not shifted"
      needs="operator"
      submit={shift.isPending ? "Waiting for confirmations" : value === 0 ? "Drain it" : `Set to ${weight}%`}
      tone={value === 0 ? "danger" : "primary"}
      valid={!fault}
      mayExpire
      lead={
        <ChoiceField
          label="Stays there"
          options={["0", "50", "100"].map((share) => ({ value: share, label: `${share}%` }))}
          value={weight}
          onChange={setWeight}
        />
      }
    >
      {({ tried, serverFault }) => (
        <TextField
          label="Exactly, in percent"
          inputMode="decimal"
          value={weight}
          onChange={(event) => setWeight(event.target.value)}
          fault={tried ? (serverFault("weight") ?? fault) : undefined}
        />
      )}
    </ChangeDialog>
  );
}
