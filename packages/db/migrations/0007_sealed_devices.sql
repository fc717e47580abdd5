ALTER TABLE "mailed_links" ALTER COLUMN "email" SET DEFAULT '';--> statement-breakpoint
ALTER TABLE "audit_events" ADD COLUMN "device_sealed" "bytea" DEFAULT '\x' NOT NULL;--> statement-breakpoint
ALTER TABLE "mailed_links" ADD COLUMN "email_sealed" "bytea" DEFAULT '\x' NOT NULL;--> statement-breakpoint
ALTER TABLE "sessions" ADD COLUMN "device_sealed" "bytea" DEFAULT '\x' NOT NULL;--> statement-breakpoint
ALTER TABLE "mailbox" ADD COLUMN "user_id" uuid;--> statement-breakpoint
ALTER TABLE "mailbox" ADD COLUMN "sealed" "bytea" DEFAULT '\x' NOT NULL;--> statement-breakpoint
ALTER TABLE "user_keys" ADD COLUMN "alias" uuid DEFAULT gen_random_uuid() NOT NULL;--> statement-breakpoint
ALTER TABLE "user_keys" ADD CONSTRAINT "user_keys_alias_unique" UNIQUE("alias");