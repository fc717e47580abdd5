// The frame around every signed-in page: where one can go, who one is, and the keys.

"use client";

import { Badge } from "@signalbox/ui/badge";
import { classNames } from "@signalbox/ui/class-names";
import { Dialog, DialogBody } from "@signalbox/ui/dialog";
import { Kbd } from "@signalbox/ui/kbd";
import { useToast } from "@signalbox/ui/toasts";
import { useMutation, useQuery } from "@tanstack/react-query";
import Link from "next/link";
import { usePathname, useRouter } from "next/navigation";
import { useCallback, useEffect, useState } from "react";
import { faultOf, sentence } from "@/errors.ts";
import { Mark } from "@/mark.tsx";
import type { Theme } from "@/theme.ts";
import { useTRPC } from "@/trpc.ts";
import { AwayNotice } from "./away-notice.tsx";
import { isRunning } from "./canaries/canary-words.ts";
import { pressEarlyButton } from "./early-input.ts";
import { useKeys } from "./keys.ts";
import { isAt, pageGroups, pages } from "./pages.tsx";
import { Palette } from "./palette.tsx";
import { leaveFor } from "./reach-filter.ts";
import styles from "./shell.module.css";
import { ThemeToggle } from "./theme-toggle.tsx";
import { useSwitches } from "./use-switches.ts";

export function Shell({ theme, children }: { theme: Theme; children: React.ReactNode }) {
  const path = usePathname();
  const router = useRouter();
  const [open, setOpen] = useState<"keys" | "palette" | "menu" | null>(null);
  const close = useCallback(() => setOpen(null), []);
  // For what stands in a page's place when it has no head, such as an error; a page with one is alive before.
  useEffect(() => {
    const timer = setTimeout(pressEarlyButton, 2_000);
    return () => clearTimeout(timer);
  }, []);
  const { turnedOff } = useSwitches({ announce: true });
  const badges: Record<string, React.ReactNode> = {
    "/switches":
      turnedOff.length > 0 ? (
        <Badge tone="danger" title={`${turnedOff.length} turned off`}>
          {turnedOff.length} off
        </Badge>
      ) : null,
    "/canaries": <RunningCanaries />,
    "/reports": <OpenReports />,
  };

  useKeys({
    go: useCallback(
      (key) => {
        const page = pages.find((it) => it.key === key);
        if (!page) return;
        leaveFor(page.path);
        router.push(page.path);
      },
      [router],
    ),
    help: useCallback(() => setOpen("keys"), []),
    find: useCallback(() => setOpen("palette"), []),
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
        <button
          type="button"
          className={styles.find}
          onClick={() => setOpen("palette")}
          aria-keyshortcuts="Control+K"
        >
          <svg viewBox="0 0 16 16" aria-hidden="true">
            <path d="M7 11.2a4.2 4.2 0 1 0 0-8.4 4.2 4.2 0 0 0 0 8.4ZM10.2 10.2l3.3 3.3" />
          </svg>
          <span>Go to</span>
          <Kbd>Ctrl K</Kbd>
        </button>
        <nav aria-label="Pages" className={styles.pages}>
          <PageLinks path={path} badges={badges} />
        </nav>
        <div className={styles.foot}>
          <Who />
          <div className={styles.tools}>
            {turnedOff.length > 0 ? (
              <Link href="/switches?show=off" className={styles.offNow}>
                <Badge tone="danger">{turnedOff.length} off</Badge>
              </Link>
            ) : null}
            <SignOut />
            <ThemeToggle initial={theme} />
            <button
              type="button"
              className={classNames(styles.tool, styles.keysTool)}
              onClick={() => setOpen("keys")}
              aria-label="Keys"
              title="Keys (?)"
            >
              ?
            </button>
            <button
              type="button"
              className={classNames(styles.tool, styles.menuTool)}
              onClick={() => setOpen("menu")}
              aria-label="Pages"
              aria-haspopup="dialog"
            >
              <svg viewBox="0 0 16 16" aria-hidden="true">
                <path d="M2.5 4.5h11M2.5 8h11M2.5 11.5h11" />
              </svg>
            </button>
          </div>
        </div>
      </header>
      <main id="content" className={styles.content} tabIndex={-1}>
        <AwayNotice />
        {children}
      </main>
      {open === "keys" ? <Keys onClose={close} /> : null}
      {open === "palette" ? <Palette onClose={close} /> : null}
      {open === "menu" ? (
        <Dialog side title="Pages" onClose={close}>
          <DialogBody>
            <nav aria-label="Pages" className={styles.menu}>
              <PageLinks path={path} badges={badges} onGo={close} />
            </nav>
          </DialogBody>
        </Dialog>
      ) : null}
    </div>
  );
}

function PageLinks({
  path,
  badges,
  onGo,
}: {
  path: string;
  badges: Record<string, React.ReactNode>;
  onGo?: () => void;
}) {
  return pageGroups.map((group) => (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset is for fields, and landmarks of these names are elsewhere
    <div key={group.name} role="group" aria-label={group.name} className={styles.group}>
      <p className={styles.groupName} aria-hidden="true">
        {group.name}
      </p>
      {group.pages.map((page) => (
        <Link
          key={page.path}
          href={page.path}
          className={styles.page}
          aria-current={isAt(page, path) ? "page" : undefined}
          aria-keyshortcuts={`g ${page.key}`}
          onClick={onGo}
        >
          <svg viewBox="0 0 16 16" aria-hidden="true">
            {page.icon}
          </svg>
          <span>{page.name}</span>
          {badges[page.path]}
        </Link>
      ))}
    </div>
  ));
}

function OpenReports() {
  const trpc = useTRPC();
  const { data } = useQuery(trpc.cases.list.queryOptions({ state: "open" }, { refetchInterval: 15_000 }));
  const open = data?.items.length ?? 0;
  return open > 0 ? (
    <Badge tone="accent" title={`${open} wait for a decision`}>
      {open}
    </Badge>
  ) : null;
}

function RunningCanaries() {
  const trpc = useTRPC();
  const { data } = useQuery(trpc.canaries.list.queryOptions({}, { refetchInterval: 15_000 }));
  const running = data?.items.filter(isRunning) ?? [];
  return running.length > 0 ? (
    <Badge
      tone={running.some(({ state }) => state === "frozen") ? "danger" : "accent"}
      title={`${running.length} under way`}
    >
      {running.length}
    </Badge>
  ) : null;
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
  ["Go to anything by name", "Ctrl", "K"],
  ["Filter this page", "/"],
  ["Next and previous row", "j", "k"],
  ["Open or change the row in focus", "Enter"],
  ["Its history", "h"],
  ["Close", "Esc"],
  ["These keys", "?"],
] as const;
