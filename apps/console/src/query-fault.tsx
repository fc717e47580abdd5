// A question to the operator API that failed: the sentence, the request id, and that it is being asked again.

"use client";

import { Button } from "@signalbox/ui/button";
import { ErrorNotice } from "@signalbox/ui/error-notice";
import { faultOf, isAway, isFinal, sentence } from "./errors.ts";

export function QueryFault({ what, error, retry }: { what: string; error: unknown; retry?: () => void }) {
  // The frame says that already.
  if (isAway(error)) return null;
  const fault = faultOf(error);
  return (
    <ErrorNotice
      title={what}
      requestId={fault.requestId}
      tone={isFinal(error) ? "danger" : "caution"}
      action={
        retry ? (
          <Button size="s" onClick={retry}>
            Try now
          </Button>
        ) : null
      }
    >
      {sentence(fault.code)}
    </ErrorNotice>
  );
}
