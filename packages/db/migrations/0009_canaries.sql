CREATE TABLE "canary_decisions" (
	"id" uuid PRIMARY KEY NOT NULL,
	"canary_id" uuid NOT NULL,
	"at" timestamp (3) with time zone NOT NULL,
	"act" text NOT NULL,
	"step" bigint NOT NULL,
	"verdict" text NOT NULL,
	"why" text NOT NULL,
	"evidence" jsonb NOT NULL,
	"revision" bigint,
	"confirmations" jsonb
);
--> statement-breakpoint
CREATE TABLE "canary_slots" (
	"canary_id" uuid NOT NULL,
	"start" bigint NOT NULL,
	"counts" jsonb NOT NULL,
	CONSTRAINT "canary_slots_canary_id_start_pk" PRIMARY KEY("canary_id","start")
);
--> statement-breakpoint
CREATE TABLE "canary_standings" (
	"canary_id" uuid PRIMARY KEY NOT NULL,
	"estimate" jsonb,
	"standing" jsonb,
	"judged_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "leases" (
	"name" text PRIMARY KEY NOT NULL,
	"holder" text NOT NULL,
	"until" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE INDEX "canary_decisions_by_canary" ON "canary_decisions" USING btree ("canary_id","at");