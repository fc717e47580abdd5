// What is known of one thing, line by line: what it is called, and what it is.

import styles from "./facts.module.css";

export type Fact = [name: string, value: React.ReactNode];

export function Facts({ facts }: { facts: readonly Fact[] }) {
  return (
    <dl className={styles.facts}>
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
