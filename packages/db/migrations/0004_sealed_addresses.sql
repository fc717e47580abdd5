DROP INDEX "credentials_verified_email";--> statement-breakpoint
DROP INDEX "credentials_email";--> statement-breakpoint
ALTER TABLE "credentials" ALTER COLUMN "email" SET DEFAULT '';--> statement-breakpoint
ALTER TABLE "credentials" ADD COLUMN "email_sealed" "bytea" DEFAULT '\x' NOT NULL;--> statement-breakpoint
ALTER TABLE "credentials" ADD COLUMN "email_index" "bytea" DEFAULT '\x' NOT NULL;--> statement-breakpoint
CREATE UNIQUE INDEX "credentials_verified_email_index" ON "credentials" USING btree ("email_index") WHERE "credentials"."email_verified_at" is not null;--> statement-breakpoint
CREATE INDEX "credentials_email_index" ON "credentials" USING btree ("email_index");