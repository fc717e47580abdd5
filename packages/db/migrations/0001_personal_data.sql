CREATE TABLE "idempotency_keys" (
	"id" "bytea" PRIMARY KEY NOT NULL,
	"user_id" uuid,
	"fingerprint" "bytea" NOT NULL,
	"claim" uuid NOT NULL,
	"lease_until" timestamp (3) with time zone NOT NULL,
	"effect_at" timestamp (3) with time zone,
	"answer" "bytea",
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "held_handles" (
	"handle" "bytea" PRIMARY KEY NOT NULL,
	"until" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "personal_archives" (
	"user_id" uuid NOT NULL,
	"request_id" uuid NOT NULL,
	"part" integer NOT NULL,
	"sealed" "bytea" NOT NULL,
	CONSTRAINT "personal_archives_user_id_request_id_part_pk" PRIMARY KEY("user_id","request_id","part")
);
--> statement-breakpoint
CREATE TABLE "personal_requests" (
	"id" uuid PRIMARY KEY NOT NULL,
	"user_id" uuid,
	"kind" text NOT NULL,
	"state" text DEFAULT 'waiting' NOT NULL,
	"steps" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"total" integer DEFAULT 0 NOT NULL,
	"error" text,
	"attempts" integer DEFAULT 0 NOT NULL,
	"lease_until" timestamp (3) with time zone,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"finished_at" timestamp (3) with time zone,
	"expires_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "user_keys" (
	"user_id" uuid PRIMARY KEY NOT NULL,
	"master_version" text NOT NULL,
	"wrapped" "bytea" NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE INDEX "idempotency_keys_by_end" ON "idempotency_keys" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "idempotency_keys_by_user" ON "idempotency_keys" USING btree ("user_id") WHERE "idempotency_keys"."user_id" is not null;--> statement-breakpoint
CREATE INDEX "personal_requests_open" ON "personal_requests" USING btree ("created_at") WHERE "personal_requests"."state" in ('waiting', 'running');--> statement-breakpoint
CREATE INDEX "personal_requests_by_user" ON "personal_requests" USING btree ("user_id") WHERE "personal_requests"."user_id" is not null;--> statement-breakpoint
CREATE INDEX "user_keys_by_master" ON "user_keys" USING btree ("master_version");