-- Likeness of words, for search. A trusted extension: the owner of the database may add it.
CREATE EXTENSION IF NOT EXISTS "pg_trgm";
--> statement-breakpoint
CREATE TABLE "blocks" (
	"user_id" uuid NOT NULL,
	"target_id" uuid NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "blocks_user_id_target_id_pk" PRIMARY KEY("user_id","target_id")
);
--> statement-breakpoint
CREATE TABLE "mutes" (
	"user_id" uuid NOT NULL,
	"target_id" uuid NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "mutes_user_id_target_id_pk" PRIMARY KEY("user_id","target_id")
);
--> statement-breakpoint
CREATE TABLE "user_counts" (
	"user_id" uuid PRIMARY KEY NOT NULL,
	"followers" integer DEFAULT 0 NOT NULL,
	"following" integer DEFAULT 0 NOT NULL
) WITH (fillfactor = 70);
--> statement-breakpoint
INSERT INTO "user_counts" ("user_id", "followers", "following")
SELECT "id",
	(SELECT count(*) FROM "follows" WHERE "target_id" = "users"."id"),
	(SELECT count(*) FROM "follows" WHERE "user_id" = "users"."id")
FROM "users";
--> statement-breakpoint
ALTER TABLE "handles" ADD COLUMN "held_until" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "users" ADD COLUMN "links" jsonb DEFAULT '[]'::jsonb NOT NULL;--> statement-breakpoint
ALTER TABLE "users" ADD COLUMN "locale" text DEFAULT 'en' NOT NULL;--> statement-breakpoint
ALTER TABLE "users" ADD COLUMN "region" text;--> statement-breakpoint
CREATE INDEX "blocks_by_target" ON "blocks" USING btree ("target_id");--> statement-breakpoint
CREATE INDEX "handles_by_user" ON "handles" USING btree ("user_id");--> statement-breakpoint
CREATE INDEX "users_by_handle_start" ON "users" USING btree ("handle" text_pattern_ops);--> statement-breakpoint
CREATE INDEX "users_by_handle_likeness" ON "users" USING gin ("handle" gin_trgm_ops);--> statement-breakpoint
CREATE INDEX "users_by_name_likeness" ON "users" USING gin (lower("display_name") gin_trgm_ops);
