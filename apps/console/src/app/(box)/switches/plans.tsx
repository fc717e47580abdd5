// Changes that will be made at a time on a clock.

"use client";

import type { ScheduleItem } from "@signalbox/modules/control/schema";
import { Button } from "@signalbox/ui/button";
import { Panel } from "@signalbox/ui/panel";
import { Row, RowEnd, Rows, RowText } from "@signalbox/ui/rows";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { duration } from "@/format.ts";
import { Moment } from "@/moment.tsx";
import { useTRPC } from "@/trpc.ts";
import { ChangeDialog } from "../change-dialog.tsx";
import { changeWords } from "./change-words.ts";

const again: Record<ScheduleItem["repeat"], string> = { once: "", daily: ", daily", weekly: ", weekly" };

export function Plans() {
  const trpc = useTRPC();
  const { data } = useQuery(trpc.schedules.list.queryOptions({}, { refetchInterval: 15_000 }));
  const [cancelled, setCancelled] = useState<ScheduleItem | null>(null);
  return (
    <>
      {data && data.items.length > 0 ? (
        <Panel title="Plans" flush>
          <Rows label="Plans" columns="minmax(12rem, 3fr) minmax(10rem, 3fr) minmax(8rem, 3fr) auto">
            {data.items.map((item) => (
              <Row key={item.id}>
                <RowText lead>
                  <code>{item.key}</code>
                </RowText>
                <RowText wide wraps>
                  {changeWords(item.change)}
                  {item.forMinutes ? ` for ${duration(item.forMinutes * 60_000)}` : ""}{" "}
                  <Moment at={item.nextAt} future />
                </RowText>
                <RowText faint wide wraps>
                  {item.at.replace("T", " ")} in {item.timeZone.replaceAll("_", " ")}
                  {again[item.repeat]} · {item.reason}, {item.plannedBy?.name}
                </RowText>
                <RowEnd>
                  <Button
                    size="s"
                    tone="quiet"
                    onClick={() => setCancelled(item)}
                    aria-label={`Take back the plan for ${item.key}`}
                  >
                    Take back
                  </Button>
                </RowEnd>
              </Row>
            ))}
          </Rows>
        </Panel>
      ) : null}
      {cancelled ? <CancelDialog item={cancelled} onClose={() => setCancelled(null)} /> : null}
    </>
  );
}

function CancelDialog({ item, onClose }: { item: ScheduleItem; onClose: () => void }) {
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const cancel = useMutation(
    trpc.schedules.cancel.mutationOptions({
      onSuccess: () => queryClient.invalidateQueries({ queryKey: trpc.schedules.pathKey() }),
    }),
  );
  return (
    <ChangeDialog
      title={
        <>
          Take back the plan for <code>{item.key}</code>
        </>
      }
      subtitle={`${changeWords(item.change)}, ${item.at.replace("T", " ")} in ${item.timeZone}`}
      done="The plan is taken back"
      onClose={onClose}
      change={cancel}
      onSubmit={(said) => cancel.mutate({ id: item.id, ...said })}
      failed="The plan was not taken back"
      needs="operator"
      submit="Take it back"
    />
  );
}
