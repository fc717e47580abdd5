"use client";

import "@signalbox/ui/tokens.css";
import { Button } from "@signalbox/ui/button";
import { ErrorNotice } from "@signalbox/ui/error-notice";

/** The last net: even the layout broke. */
export default function GlobalError({
  error,
  reset,
}: {
  error: Error & { digest?: string };
  reset: () => void;
}) {
  return (
    <html lang="en">
      <body style={{ padding: "2rem", maxWidth: "48rem", marginInline: "auto" }}>
        <title>Signalbox</title>
        <ErrorNotice
          title="The console could not start"
          requestId={error.digest}
          action={<Button onClick={reset}>Try again</Button>}
        >
          The platform is not touched by it. Switches can be turned from a shell meanwhile: PUT
          /operator/v1/switches/&lt;key&gt; on the operator port.
        </ErrorNotice>
      </body>
    </html>
  );
}
