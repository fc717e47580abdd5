// The mails of an install without a mail server: what people would have got. Which one is open is in the address.

"use client";

import type { MailItem } from "@signalbox/modules/mail/schema";
import { Badge } from "@signalbox/ui/badge";
import { Button } from "@signalbox/ui/button";
import { EmptyState } from "@signalbox/ui/empty-state";
import { ErrorNotice } from "@signalbox/ui/error-notice";
import { FilterField } from "@signalbox/ui/field";
import { Panel } from "@signalbox/ui/panel";
import { opensRow, Row, RowEnd, Rows, RowText } from "@signalbox/ui/rows";
import { useQuery } from "@tanstack/react-query";
import { Moment } from "@/moment.tsx";
import { useTRPC } from "@/trpc.ts";
import { useUrl } from "@/use-url.ts";
import { PageHeader } from "../page-header.tsx";
import { QueryView } from "../query-view.tsx";
import { useFilter } from "../use-filter.ts";
import { MailPanel } from "./mail-panel.tsx";

export function Mailbox() {
  const trpc = useTRPC();
  const { params, set } = useUrl();
  const [typed, filter] = useFilter();
  const query = useQuery(trpc.mailbox.list.queryOptions({}, { refetchInterval: 5_000 }));
  const wanted = typed.trim().toLowerCase();
  const fits = ({ to, subject }: MailItem) =>
    to.toLowerCase().includes(wanted) || subject.toLowerCase().includes(wanted);
  const opened = query.data?.items.find(({ id }) => id === params.get("mail"));
  const server = query.data?.server;

  return (
    <>
      <PageHeader
        title="Mail"
        status={query.data ? <Badge>{query.data.items.length}</Badge> : null}
        about={
          server === null
            ? "No mail server is set, so nothing leaves this machine: what people would have got is kept here, the newest 500."
            : null
        }
      >
        <FilterField
          label="Filter by recipient or subject"
          value={typed}
          onChange={(event) => filter(event.target.value)}
        />
      </PageHeader>
      {server ? (
        <ErrorNotice tone="caution" title={`Mails go out through ${server}`}>
          They do not appear here. What is listed was kept before SMTP_URL was set.
        </ErrorNotice>
      ) : null}
      <QueryView query={query} what="Mails">
        {({ items }) => {
          const shown = items.filter(fits);
          return (
            <Panel label="Kept mails" flush>
              <Rows label="Mails" columns="minmax(0, 5fr) minmax(0, 4fr) 7rem" heads={["Subject", "To", ""]}>
                {shown.map((mail) => (
                  <Row key={mail.id}>
                    <RowText lead>
                      <button
                        type="button"
                        className={opensRow}
                        data-step=""
                        onClick={() => set({ mail: mail.id })}
                      >
                        {mail.subject}
                      </button>
                    </RowText>
                    <RowText>{mail.to}</RowText>
                    <RowEnd>
                      <Moment at={mail.sentAt} />
                    </RowEnd>
                  </Row>
                ))}
              </Rows>
              {shown.length === 0 ? (
                items.length > 0 ? (
                  <EmptyState
                    title={`No mail matches “${typed.trim()}”`}
                    action={<Button onClick={() => filter("")}>Clear the filter</Button>}
                  />
                ) : (
                  <EmptyState title="No mail was sent yet">
                    Here appear confirmations of addresses, links to choose a new password and notices of
                    changed sign-ins. Register someone to see the first: <code>POST /v1/auth/register</code>
                  </EmptyState>
                )
              ) : null}
            </Panel>
          );
        }}
      </QueryView>
      {opened ? <MailPanel key={opened.id} mail={opened} onClose={() => set({ mail: null })} /> : null}
    </>
  );
}
