// One reported thing: itself, what is said against it, whose it is, and what was decided before.

"use client";

import type { CaseItem } from "@signalbox/modules/moderation/schema";
import { Badge } from "@signalbox/ui/badge";
import { Button } from "@signalbox/ui/button";
import { SignalLamp } from "@signalbox/ui/signal-lamp";
import Link from "next/link";
import { sentenceCase } from "@/format.ts";
import { Moment } from "@/moment.tsx";
import { bornAt } from "../people/born-at.ts";
import { useMay } from "../use-may.ts";
import styles from "./case-card.module.css";
import { titleOf } from "./case-title.ts";
import type { Decision } from "./decide-dialog.tsx";

const saidAtMost = 4;

export function CaseCard({
  item,
  onDecide,
}: {
  item: CaseItem;
  /** Absent where it is decided. */
  onDecide: ((decision: Decision) => void) | undefined;
}) {
  const may = useMay("operator") !== false;
  const { subject, post, owner, said, decisions } = item;
  const isPost = subject.kind === "post";
  return (
    <article className={styles.card} aria-label={titleOf(item)}>
      <div className={styles.what}>
        <p className={styles.head}>
          <Badge>{isPost ? "Post" : "Person"}</Badge>
          {owner ? <Owner owner={owner} /> : <span className={styles.faint}>the account is gone</span>}
          {post ? (
            <span className={styles.faint}>
              <Moment at={post.createdAt} />
              {post.editedAt ? ", edited" : ""}
            </span>
          ) : null}
        </p>
        {isPost ? (
          post ? (
            <blockquote className={styles.post}>{post.text}</blockquote>
          ) : (
            <p className={styles.gone}>This post is deleted.</p>
          )
        ) : owner ? (
          <p className={styles.profile}>
            {owner.displayName} · joined <Moment at={bornAt(owner.id)} />
          </p>
        ) : null}
        {decisions.length > 0 ? (
          <ul className={styles.decisions} aria-label="Decided before">
            {decisions.slice(0, saidAtMost).map((decision) => (
              <li key={decision.at}>
                <SignalLamp aspect={decision.resolution === "upheld" ? "danger" : "clear"}>
                  {sentenceCase(decision.resolution)}
                </SignalLamp>{" "}
                {decision.reason}{" "}
                <span className={styles.faint}>
                  {decision.by}, <Moment at={decision.at} />
                </span>
              </li>
            ))}
          </ul>
        ) : null}
      </div>
      <div className={styles.said}>
        <p className={styles.count}>
          {item.reports} {item.reports === 1 ? "report" : "reports"}
          {item.reports > 1 ? ` by ${item.reporters} ${item.reporters === 1 ? "person" : "people"}` : ""}
        </p>
        <ul>
          {said.slice(0, saidAtMost).map((report) => (
            <li key={report.id}>
              {report.reason}{" "}
              <span className={styles.faint}>
                {report.by ? `@${report.by}` : "someone who left"}, <Moment at={report.at} />
              </span>
            </li>
          ))}
        </ul>
        {item.reports > saidAtMost ? (
          <p className={styles.faint}>and {item.reports - Math.min(said.length, saidAtMost)} more</p>
        ) : null}
      </div>
      {onDecide ? (
        <div className={styles.acts}>
          <Button size="s" data-step="" disabled={!may} onClick={() => onDecide("dismiss")}>
            Dismiss
          </Button>
          {post ? (
            <Button size="s" disabled={!may} onClick={() => onDecide("remove")}>
              Delete the post
            </Button>
          ) : null}
          {owner && !owner.suspendedAt ? (
            <Button size="s" disabled={!may} onClick={() => onDecide("suspend")}>
              {isPost ? "Suspend the author" : "Suspend"}
            </Button>
          ) : null}
        </div>
      ) : null}
    </article>
  );
}

function Owner({ owner }: { owner: NonNullable<CaseItem["owner"]> }) {
  return (
    <>
      <Link href={`/people/${owner.id}`}>{owner.handle ? `@${owner.handle}` : owner.id}</Link>
      {owner.role === "moderator" ? <Badge tone="accent">moderator</Badge> : null}
      {owner.suspendedAt ? <Badge tone="danger">suspended</Badge> : null}
      {owner.upheldBefore > 0 ? (
        <Badge tone="caution" title="Reports of this person, or of posts that are still there">
          upheld {owner.upheldBefore}× before
        </Badge>
      ) : null}
    </>
  );
}
