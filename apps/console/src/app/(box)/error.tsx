"use client";

import { Button } from "@signalbox/ui/button";
import { ErrorNotice } from "@signalbox/ui/error-notice";
import { faultOf, sentence } from "@/errors.ts";

/** A page that broke. The rest of the console stays usable: the switches are one key away. */
export default function PageError({
  error,
  reset,
}: {
  error: Error & { digest?: string };
  reset: () => void;
}) {
  const fault = faultOf(error);
  return (
    <ErrorNotice
      title="This page could not be shown"
      requestId={fault.requestId ?? error.digest}
      action={<Button onClick={reset}>Try again</Button>}
    >
      {fault.code === "unreachable"
        ? "Something in the console itself went wrong; the platform is not touched by it."
        : sentence(fault.code)}
    </ErrorNotice>
  );
}
