DELETE FROM "mailbox";--> statement-breakpoint
DELETE FROM "mailed_links";--> statement-breakpoint
ALTER TABLE "mailbox" ALTER COLUMN "user_id" SET NOT NULL;--> statement-breakpoint
ALTER TABLE "audit_events" DROP COLUMN "device";--> statement-breakpoint
ALTER TABLE "mailed_links" DROP COLUMN "email";--> statement-breakpoint
ALTER TABLE "sessions" DROP COLUMN "device";--> statement-breakpoint
ALTER TABLE "mailbox" DROP COLUMN "recipient";--> statement-breakpoint
ALTER TABLE "mailbox" DROP COLUMN "subject";--> statement-breakpoint
ALTER TABLE "mailbox" DROP COLUMN "text";