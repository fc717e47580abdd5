import { EmptyState } from "@signalbox/ui/empty-state";
import type { Metadata } from "next";
import Link from "next/link";

export const metadata: Metadata = { title: "Nothing here" };

export default function NotFound() {
  return (
    <EmptyState
      title="There is no page at this address"
      action={
        <>
          <Link href="/">Overview</Link> · <Link href="/switches">Switches</Link>
        </>
      }
    >
      The link may be from another version of the console.
    </EmptyState>
  );
}
