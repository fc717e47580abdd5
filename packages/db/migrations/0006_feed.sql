CREATE TABLE "likes" (
	"user_id" uuid NOT NULL,
	"post_id" uuid NOT NULL,
	"author_id" uuid NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "likes_user_id_post_id_pk" PRIMARY KEY("user_id","post_id")
);
--> statement-breakpoint
CREATE TABLE "mentions" (
	"user_id" uuid NOT NULL,
	"post_id" uuid NOT NULL,
	"handle" text NOT NULL,
	CONSTRAINT "mentions_user_id_post_id_pk" PRIMARY KEY("user_id","post_id")
);
--> statement-breakpoint
CREATE TABLE "post_counts" (
	"user_id" uuid NOT NULL,
	"post_id" uuid NOT NULL,
	"slot" smallint NOT NULL,
	"likes" integer DEFAULT 0 NOT NULL,
	"replies" integer DEFAULT 0 NOT NULL,
	"reposts" integer DEFAULT 0 NOT NULL,
	CONSTRAINT "post_counts_user_id_post_id_slot_pk" PRIMARY KEY("user_id","post_id","slot")
) WITH (fillfactor = 70);
--> statement-breakpoint
CREATE TABLE "post_edits" (
	"user_id" uuid NOT NULL,
	"post_id" uuid NOT NULL,
	"id" uuid NOT NULL,
	"text" text NOT NULL,
	"written_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "post_edits_user_id_post_id_id_pk" PRIMARY KEY("user_id","post_id","id")
);
--> statement-breakpoint
CREATE TABLE "pulled_authors" (
	"user_id" uuid PRIMARY KEY NOT NULL,
	"since" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "reposts" (
	"user_id" uuid NOT NULL,
	"post_id" uuid NOT NULL,
	"author_id" uuid NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "reposts_user_id_post_id_pk" PRIMARY KEY("user_id","post_id")
);
--> statement-breakpoint
CREATE TABLE "read_model_runs" (
	"name" text PRIMARY KEY NOT NULL,
	"id" uuid NOT NULL,
	"heals" boolean NOT NULL,
	"state" text DEFAULT 'running' NOT NULL,
	"after" text,
	"total" bigint DEFAULT 0 NOT NULL,
	"done" bigint DEFAULT 0 NOT NULL,
	"wrong" bigint DEFAULT 0 NOT NULL,
	"error" text,
	"lease_until" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"finished_at" timestamp (3) with time zone
);
--> statement-breakpoint
ALTER TABLE "posts" ADD COLUMN "visibility" text DEFAULT 'public' NOT NULL;--> statement-breakpoint
ALTER TABLE "posts" ADD COLUMN "reply_to" uuid;--> statement-breakpoint
ALTER TABLE "posts" ADD COLUMN "hashtags" text[];--> statement-breakpoint
ALTER TABLE "posts" ADD COLUMN "links" text[];--> statement-breakpoint
CREATE INDEX "likes_by_post" ON "likes" USING btree ("post_id");--> statement-breakpoint
CREATE INDEX "mentions_by_post" ON "mentions" USING btree ("post_id");--> statement-breakpoint
CREATE INDEX "reposts_by_post" ON "reposts" USING btree ("post_id");--> statement-breakpoint
CREATE INDEX "posts_by_parent" ON "posts" USING btree ("reply_to","id") WHERE "posts"."reply_to" is not null;