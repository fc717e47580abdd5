// Whether the log is whole, checked act by act when asked.

"use client";

import { Button } from "@signalbox/ui/button";
import { SignalLamp } from "@signalbox/ui/signal-lamp";
import { useQuery } from "@tanstack/react-query";
import { faultOf, sentence } from "@/errors.ts";
import { count } from "@/format.ts";
import { useTRPC } from "@/trpc.ts";

export function ChainCheck() {
  const trpc = useTRPC();
  const { data, error, isFetching, refetch } = useQuery(
    trpc.audit.verify.queryOptions(undefined, { enabled: false, retry: false }),
  );
  return (
    <>
      <Button size="s" busy={isFetching} onClick={() => void refetch()}>
        Check that it is whole
      </Button>
      <span role="status">
        {data && !isFetching ? (
          data.ok ? (
            <SignalLamp aspect="clear">{`Whole: ${count(data.checked)} ${data.checked === 1 ? "act" : "acts"} checked`}</SignalLamp>
          ) : (
            <SignalLamp aspect="danger">{`Not whole from version ${data.fault?.revision ?? "?"}: ${data.fault?.why ?? "unknown"}`}</SignalLamp>
          )
        ) : null}
        {error && !isFetching ? (
          <SignalLamp aspect="caution">{`Not checked. ${sentence(faultOf(error).code)}`}</SignalLamp>
        ) : null}
      </span>
    </>
  );
}
