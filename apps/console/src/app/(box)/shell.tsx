// The frame around every signed-in page: where one can go, who one is, and the keys.

"use client";

import { Badge } from "@signalbox/ui/badge";
import { Dialog, DialogBody } from "@signalbox/ui/dialog";
import { Kbd } from "@signalbox/ui/kbd";
import { useToast } from "@signalbox/ui/toasts";
import { useMutation, useQuery } from "@tanstack/react-query";
import Link from "next/link";
import { usePathname, useRouter } from "next/navigation";
import { useCallback, useState } from "react";
import { faultOf, sentence } from "@/errors.ts";
import { Mark } from "@/mark.tsx";
import type { Theme } from "@/theme.ts";
import { useTRPC } from "@/trpc.ts";
import { AwayNotice } from "./away-notice.tsx";
import { useKeys } from "./keys.ts";
import styles from "./shell.module.css";
import { ThemeToggle } from "./theme-toggle.tsx";
import { useSwitches } from "./use-switches.ts";

const pages = [
  { path: "/", name: "Overview", key: "o", icon: <path d="M2 12.5 5.5 7l3 3.5L14 3" /> },
  {
    path: "/switches",
    name: "Switches",
    key: "s",
    icon: <path d="M3 13h10M8 13V8.5m0 0 3.2-5.2M9.9 2.6l2.6 1.5" />,
  },
] as const;

export function Shell({ theme, children }: { theme: Theme; children: React.ReactNode }) {
  const path = usePathname();
  const router = useRouter();
  const [showKeys, setShowKeys] = useState(false);
  const { turnedOff } = useSwitches({ announce: true });

  useKeys({
    go: useCallback(
      (key) => {
        const page = pages.find((it) => it.key === key);
        if (page) router.push(page.path);
      },
      [router],
    ),
    help: useCallback(() => setShowKeys(true), []),
  });

  return (
    <div className={styles.shell}>
      <a className={styles.skip} href="#content">
        Skip to content
      </a>
      <header className={styles.rail}>
        <Link href="/" className={styles.brand}>
          <Mark className={styles.mark} />
          Signalbox
        </Link>
        <nav aria-label="Pages" className={styles.pages}>
          {pages.map((page) => (
            <Link
              key={page.path}
              href={page.path}
              className={styles.page}
              aria-current={path === page.path ? "page" : undefined}
              aria-keyshortcuts={`g ${page.key}`}
            >
              <svg viewBox="0 0 16 16" aria-hidden="true">
                {page.icon}
              </svg>
              <span>{page.name}</span>
              {page.path === "/switches" && turnedOff.length > 0 ? (
                <Badge tone="danger" title={`${turnedOff.length} turned off`}>
                  {turnedOff.length}
                  <span className={styles.off}>off</span>
                </Badge>
              ) : null}
            </Link>
          ))}
        </nav>
        <div className={styles.foot}>
          <Who />
          <div className={styles.tools}>
            <SignOut />
            <ThemeToggle initial={theme} />
            <button
              type="button"
              className={styles.tool}
              onClick={() => setShowKeys(true)}
              aria-label="Keys"
              title="Keys (?)"
            >
              ?
            </button>
          </div>
        </div>
      </header>
      <main id="content" className={styles.content} tabIndex={-1}>
        <AwayNotice />
        {children}
      </main>
      {showKeys ? <Keys onClose={() => setShowKeys(false)} /> : null}
    </div>
  );
}

function Who() {
  const trpc = useTRPC();
  const { data } = useQuery(
    trpc.session.read.queryOptions(undefined, { staleTime: 60_000, refetchInterval: 300_000 }),
  );
  if (!data) return <p className={styles.who}>Operator</p>;
  return (
    <p className={styles.who} title={data.operator.name}>
      {data.operator.name}
      <span className={styles.role}>{data.operator.role}</span>
    </p>
  );
}

function SignOut() {
  const trpc = useTRPC();
  const toast = useToast();
  const close = useMutation(
    trpc.session.close.mutationOptions({
      onSuccess: () => window.location.assign("/sign-in"),
      onError: (error) => toast("danger", `Still signed in. ${sentence(faultOf(error).code)}`),
    }),
  );
  return (
    <button
      type="button"
      className={styles.tool}
      onClick={() => close.mutate()}
      disabled={close.isPending}
      aria-label="Sign out"
      title="Sign out"
    >
      <svg viewBox="0 0 16 16" aria-hidden="true">
        <path d="M6.5 2.5h-4v11h4M10 5l3 3-3 3m3-3H6" />
      </svg>
    </button>
  );
}

function Keys({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title="Keys" onClose={onClose}>
      <DialogBody>
        <dl className={styles.keys}>
          {pages.map((page) => (
            <div key={page.path}>
              <dt>{page.name}</dt>
              <dd>
                <Kbd>g</Kbd> <Kbd>{page.key}</Kbd>
              </dd>
            </div>
          ))}
          {shortcuts.map(([name, ...keys]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>
                {keys.map((key) => (
                  <Kbd key={key}>{key}</Kbd>
                ))}
              </dd>
            </div>
          ))}
        </dl>
      </DialogBody>
    </Dialog>
  );
}

const shortcuts = [
  ["Filter this page", "/"],
  ["Next and previous switch", "j", "k"],
  ["Turn the switch in focus", "Enter"],
  ["Its history", "h"],
  ["Close", "Esc"],
  ["These keys", "?"],
] as const;
