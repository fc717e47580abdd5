// One notice for the whole console while the operator API does not answer; every page stays where it is meanwhile.

"use client";

import { Button } from "@signalbox/ui/button";
import { ErrorNotice } from "@signalbox/ui/error-notice";
import { useQueryClient } from "@tanstack/react-query";
import { faultOf, isAway } from "@/errors.ts";
import { duration } from "@/format.ts";
import { useNow } from "@/now.ts";
import { useSteadyError } from "./query-view.tsx";
import { useSwitches } from "./use-switches.ts";

export function AwayNotice() {
  const client = useQueryClient();
  const query = useSwitches();
  const { dataUpdatedAt, isFetching } = query;
  const error = useSteadyError(query);
  const now = useNow();
  if (!error || !isAway(error)) return null;
  const fault = faultOf(error);
  return (
    <ErrorNotice
      title="The operator API does not answer"
      requestId={fault.requestId}
      action={
        <Button size="s" busy={isFetching} onClick={() => client.invalidateQueries()}>
          Try now
        </Button>
      }
    >
      This page keeps trying. Calls of your users do not pass through it: the platform may be well.{" "}
      <code>./signalbox status</code> on its machine says what runs.
      {dataUpdatedAt > 0 && now > 0 ? (
        <span aria-hidden="true"> What you see is {duration(now - dataUpdatedAt)} old.</span>
      ) : null}
    </ErrorNotice>
  );
}
