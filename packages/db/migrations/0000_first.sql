CREATE TABLE "credentials" (
	"user_id" uuid PRIMARY KEY NOT NULL,
	"email" text NOT NULL,
	"email_verified_at" timestamp (3) with time zone,
	"password_hash" text NOT NULL
);
--> statement-breakpoint
CREATE TABLE "sessions" (
	"user_id" uuid NOT NULL,
	"id" uuid NOT NULL,
	"counter" integer DEFAULT 0 NOT NULL,
	"rotated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL,
	"revoked_at" timestamp (3) with time zone,
	"device" text DEFAULT '' NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "sessions_user_id_id_pk" PRIMARY KEY("user_id","id")
) WITH (fillfactor = 70);
--> statement-breakpoint
CREATE TABLE "signing_keys" (
	"kid" text PRIMARY KEY NOT NULL,
	"public_jwk" jsonb NOT NULL,
	"private_jwk" "bytea" NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"retired_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "control_events" (
	"revision" bigint PRIMARY KEY NOT NULL,
	"id" uuid NOT NULL,
	"at" timestamp (3) with time zone NOT NULL,
	"actor" jsonb NOT NULL,
	"kind" text NOT NULL,
	"key" text NOT NULL,
	"before" jsonb,
	"after" jsonb,
	"reason" text NOT NULL,
	"expires_at" timestamp (3) with time zone,
	"request_id" text NOT NULL,
	"previous_hash" text NOT NULL,
	"hash" text NOT NULL,
	CONSTRAINT "control_events_id_unique" UNIQUE("id")
);
--> statement-breakpoint
CREATE TABLE "used_sign_in_links" (
	"id" text PRIMARY KEY NOT NULL,
	"used_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "posts" (
	"user_id" uuid NOT NULL,
	"id" uuid NOT NULL,
	"text" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"edited_at" timestamp (3) with time zone,
	CONSTRAINT "posts_user_id_id_pk" PRIMARY KEY("user_id","id")
);
--> statement-breakpoint
CREATE SEQUENCE "outbox_position";
--> statement-breakpoint
CREATE TABLE "outbox" (
	"position" bigint DEFAULT nextval('outbox_position') NOT NULL,
	"id" uuid NOT NULL,
	"key" uuid NOT NULL,
	"topic" text NOT NULL,
	"version" smallint NOT NULL,
	"payload" jsonb NOT NULL,
	"request_id" text NOT NULL,
	"traceparent" text,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "outbox_created_at_id_pk" PRIMARY KEY("created_at","id")
) PARTITION BY RANGE ("created_at");
--> statement-breakpoint
-- Holds what no day's partition holds yet, so that a write never waits for a partition to be made.
CREATE TABLE "outbox_default" PARTITION OF "outbox" DEFAULT;
--> statement-breakpoint
CREATE PUBLICATION "signalbox_outbox" FOR TABLE "outbox" WITH (publish = 'insert', publish_via_partition_root = true);
--> statement-breakpoint
CREATE TABLE "relay_progress" (
	"stream" text PRIMARY KEY NOT NULL,
	"last_id" text NOT NULL,
	"safe_at" timestamp (3) with time zone,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "consumed_events" (
	"consumer_group" text NOT NULL,
	"event_id" uuid NOT NULL,
	"consumed_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "consumed_events_consumer_group_event_id_pk" PRIMARY KEY("consumer_group","event_id")
);
--> statement-breakpoint
CREATE TABLE "consumer_progress" (
	"consumer_group" text NOT NULL,
	"partition" smallint NOT NULL,
	"stream" text DEFAULT '' NOT NULL,
	"last_id" text DEFAULT '0-0' NOT NULL,
	"safe_at" timestamp (3) with time zone,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "consumer_progress_consumer_group_partition_pk" PRIMARY KEY("consumer_group","partition")
);
--> statement-breakpoint
CREATE TABLE "dead_letters" (
	"sequence" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "dead_letters_sequence_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"consumer_group" text NOT NULL,
	"partition" smallint NOT NULL,
	"key" uuid NOT NULL,
	"event_id" uuid NOT NULL,
	"topic" text NOT NULL,
	"event" jsonb NOT NULL,
	"error" text,
	"attempts" integer DEFAULT 0 NOT NULL,
	"failed_at" timestamp (3) with time zone,
	"replay_requested_at" timestamp (3) with time zone,
	"discarded_at" timestamp (3) with time zone,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "dead_letters_event" UNIQUE("consumer_group","event_id")
);
--> statement-breakpoint
CREATE TABLE "follows" (
	"user_id" uuid NOT NULL,
	"target_id" uuid NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "follows_user_id_target_id_pk" PRIMARY KEY("user_id","target_id")
);
--> statement-breakpoint
CREATE TABLE "handles" (
	"handle" text PRIMARY KEY NOT NULL,
	"user_id" uuid NOT NULL
);
--> statement-breakpoint
CREATE TABLE "users" (
	"id" uuid PRIMARY KEY NOT NULL,
	"handle" text NOT NULL,
	"display_name" text NOT NULL,
	"bio" text DEFAULT '' NOT NULL,
	"version" integer DEFAULT 1 NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX "credentials_verified_email" ON "credentials" USING btree ("email") WHERE "credentials"."email_verified_at" is not null;--> statement-breakpoint
CREATE INDEX "credentials_email" ON "credentials" USING btree ("email");--> statement-breakpoint
CREATE INDEX "sessions_revoked" ON "sessions" USING btree ("revoked_at") WHERE "sessions"."revoked_at" is not null;--> statement-breakpoint
CREATE INDEX "posts_by_id" ON "posts" USING btree ("id");--> statement-breakpoint
CREATE INDEX "outbox_by_position" ON "outbox" USING btree ("position");--> statement-breakpoint
CREATE INDEX "follows_by_target" ON "follows" USING btree ("target_id","user_id");--> statement-breakpoint
CREATE INDEX "consumed_events_by_age" ON "consumed_events" USING btree ("consumed_at");--> statement-breakpoint
CREATE INDEX "dead_letters_in_order" ON "dead_letters" USING btree ("consumer_group","key","sequence");--> statement-breakpoint
CREATE INDEX "dead_letters_asked_for" ON "dead_letters" USING btree ("consumer_group","partition") WHERE replay_requested_at is not null;