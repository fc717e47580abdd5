// Before and after of one act, only what differs.

import { changesOf } from "./changes-of.ts";
import styles from "./event-diff.module.css";

export function EventDiff({
  from,
  to,
  heads = ["Before", "After"],
}: {
  from: unknown;
  to: unknown;
  heads?: [string, string];
}) {
  const changes = changesOf(from, to);
  if (changes.length === 0) return null;
  return (
    <table className={styles.diff}>
      <thead>
        <tr>
          {["", ...heads].map((head) => (
            <th key={head} scope="col">
              {head || <span className="visually-hidden">Field</span>}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {changes.map(({ field, from, to }) => (
          <tr key={field}>
            <th scope="row">{field}</th>
            <td className={styles.from}>{from}</td>
            <td>{to}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
