// Serve with: node --max-old-space-size=… .next/standalone/apps/console/server.js (PORT, HOSTNAME, SIGNALBOX_OPERATOR_URL).

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
