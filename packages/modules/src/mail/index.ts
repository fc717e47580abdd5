export { keepMail, listMailbox } from "./mailbox.ts";
export { MailboxList } from "./schema.ts";
