// Built for the standalone server. Served by few and rarely busy, it is started lean (about 105 MB instead of 157):
//   MALLOC_ARENA_MAX=2 node --max-old-space-size=96 --max-semi-space-size=1 --no-opt --no-maglev --no-sparkplug \
//     --optimize-for-size .next/standalone/apps/console/server.js
// with PORT, HOSTNAME and SIGNALBOX_OPERATOR_URL, and .next/static copied beside it. Not --jitless: fetch needs WebAssembly.

import path from "node:path";
import type { NextConfig } from "next";

const root = path.join(import.meta.dirname, "../..");

export default {
  output: "standalone",
  outputFileTracingRoot: root,
  turbopack: { root },
  transpilePackages: ["@signalbox/ui"],
  // `check` runs tsc over the console; an operator who only starts the platform need not wait for it.
  typescript: { ignoreBuildErrors: true },
  poweredByHeader: false,
  productionBrowserSourceMaps: false,
  images: { unoptimized: true },
  // Every page is made for one operator at one moment: nothing to keep.
  cacheMaxMemorySize: 0,
  devIndicators: false,
} satisfies NextConfig;
