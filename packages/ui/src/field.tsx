// A labelled control with its hint and its fault; the wiring for assistive technology is done here once.

import { type ComponentProps, type ComponentPropsWithRef, useId } from "react";
import { classNames } from "./class-names.ts";
import styles from "./field.module.css";
import { Segmented } from "./segmented.tsx";

type Wrapping = {
  label: React.ReactNode;
  hint?: React.ReactNode;
  fault?: string | undefined;
  optional?: boolean;
};

export function TextField({
  label,
  hint,
  fault,
  optional,
  ...input
}: Wrapping & ComponentPropsWithRef<"input">) {
  const id = useId();
  return (
    <Frame id={id} label={label} hint={hint} fault={fault} optional={optional}>
      <input {...input} {...described(id, hint, fault)} id={id} className={styles.input} />
    </Frame>
  );
}

export function TextArea({
  label,
  hint,
  fault,
  optional,
  ...input
}: Wrapping & ComponentPropsWithRef<"textarea">) {
  const id = useId();
  return (
    <Frame id={id} label={label} hint={hint} fault={fault} optional={optional}>
      <textarea rows={2} {...input} {...described(id, hint, fault)} id={id} className={styles.input} />
    </Frame>
  );
}

/** One of a list that is too long to be all in sight. */
export function SelectField({
  label,
  hint,
  fault,
  optional,
  ...select
}: Wrapping & ComponentPropsWithRef<"select">) {
  const id = useId();
  return (
    <Frame id={id} label={label} hint={hint} fault={fault} optional={optional}>
      <select
        {...select}
        {...described(id, hint, fault)}
        id={id}
        className={classNames(styles.input, styles.select)}
      />
    </Frame>
  );
}

export function CheckField({
  label,
  hint,
  ...input
}: Pick<Wrapping, "label" | "hint"> & ComponentPropsWithRef<"input">) {
  const id = useId();
  return (
    <div className={styles.check}>
      <input type="checkbox" {...input} {...described(id, hint, undefined)} id={id} />
      <div>
        <label htmlFor={id}>{label}</label>
        {hint ? (
          <p className={styles.hint} id={`${id}-hint`}>
            {hint}
          </p>
        ) : null}
      </div>
    </div>
  );
}

/** Several controls under one name. */
export function FieldGroup({
  label,
  hint,
  children,
}: {
  label: React.ReactNode;
  hint?: React.ReactNode;
  children: React.ReactNode;
}) {
  return (
    <fieldset className={styles.group}>
      <legend className={styles.label}>{label}</legend>
      {children}
      {hint ? <p className={styles.hint}>{hint}</p> : null}
    </fieldset>
  );
}

/** One of a few, all in sight. */
export function ChoiceField<V extends string>({
  hint,
  ...choice
}: Pick<Wrapping, "hint"> & ComponentProps<typeof Segmented<V>>) {
  return (
    <FieldGroup label={choice.label} hint={hint}>
      <Segmented {...choice} />
    </FieldGroup>
  );
}

function Frame({
  id,
  label,
  hint,
  fault,
  optional,
  children,
}: Wrapping & { id: string; children: React.ReactNode }) {
  return (
    <div className={styles.field}>
      <label className={styles.label} htmlFor={id}>
        {label}
        {optional ? <span className={styles.optional}> optional</span> : null}
      </label>
      {children}
      {fault ? (
        <p className={styles.fault} id={`${id}-fault`}>
          {fault}
        </p>
      ) : null}
      {hint ? (
        <p className={styles.hint} id={`${id}-hint`}>
          {hint}
        </p>
      ) : null}
    </div>
  );
}

const described = (id: string, hint: React.ReactNode, fault: string | undefined) => ({
  "aria-invalid": fault ? true : undefined,
  "aria-describedby": [fault && `${id}-fault`, hint && `${id}-hint`].filter(Boolean).join(" ") || undefined,
});

/** The box in which one types to narrow a list; `/` focuses it (the shell looks for `data-filter`). */
export function FilterField({ label, ...input }: { label: string } & ComponentPropsWithRef<"input">) {
  return (
    <div className={styles.filter}>
      <svg viewBox="0 0 16 16" aria-hidden="true">
        <circle cx="7" cy="7" r="4.25" />
        <path d="m10.25 10.25 3.25 3.25" />
      </svg>
      <input
        type="search"
        autoComplete="off"
        spellCheck={false}
        {...input}
        aria-label={label}
        placeholder={label}
        data-filter=""
        className={styles.input}
      />
      <span className={styles.hintKey} aria-hidden="true">
        /
      </span>
    </div>
  );
}
