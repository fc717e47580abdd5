// A choice of a few, all in sight: radio buttons that look like one control, with the arrow keys that come with them.

import { useId } from "react";
import { classNames } from "./class-names.ts";
import styles from "./segmented.module.css";

export type Option<V extends string> = { value: V; label: React.ReactNode; tone?: "danger" | "clear" };

export function Segmented<V extends string>({
  label,
  options,
  value,
  onChange,
  size = "m",
}: {
  label: string;
  options: readonly Option<V>[];
  value: V | undefined;
  onChange: (value: V) => void;
  size?: "s" | "m";
}) {
  const name = useId();
  return (
    <div
      role="radiogroup"
      aria-label={label}
      className={classNames(styles.segmented, size === "s" && styles.small)}
    >
      {options.map((option) => (
        <label key={option.value} className={classNames(styles.option, option.tone && styles[option.tone])}>
          <input
            type="radio"
            className="visually-hidden"
            name={name}
            value={option.value}
            checked={option.value === value}
            onChange={() => onChange(option.value)}
          />
          <span>{option.label}</span>
        </label>
      ))}
    </div>
  );
}
