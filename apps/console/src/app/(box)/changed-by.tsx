// Who set it and when, and when it ends by itself.

import { Moment } from "@/moment.tsx";

type Changed = {
  changedBy: { name: string } | null;
  changedAt: string | null;
  expiresAt: string | null;
};

export function ChangedBy({
  item: { changedBy, changedAt, expiresAt },
  then = "ends",
}: {
  item: Changed;
  /** What happens at its end. */
  then?: string;
}) {
  return (
    <>
      {changedBy?.name}
      {changedAt ? (
        <>
          , <Moment at={changedAt} />
        </>
      ) : null}
      {expiresAt ? (
        <strong>
          {" "}
          · {then} <Moment at={expiresAt} future />
        </strong>
      ) : null}
    </>
  );
}
