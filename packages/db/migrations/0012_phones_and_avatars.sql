ALTER TABLE "credentials" ADD COLUMN "phone_sealed" "bytea";--> statement-breakpoint
ALTER TABLE "credentials" ADD COLUMN "phone_index" "bytea";--> statement-breakpoint
ALTER TABLE "users" ADD COLUMN "avatar" text;--> statement-breakpoint
CREATE INDEX "credentials_phone_index" ON "credentials" USING btree ("phone_index") WHERE "credentials"."phone_index" is not null;