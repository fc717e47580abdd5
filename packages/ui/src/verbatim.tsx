// Text as a machine wrote it or will read it, in all its length.

import type { ComponentPropsWithRef } from "react";
import { classNames } from "./class-names.ts";
import styles from "./verbatim.module.css";

export const Verbatim = ({ className, ...rest }: ComponentPropsWithRef<"pre">) => (
  <pre {...rest} className={classNames(styles.verbatim, className)} />
);
