// What this process does of all that the platform does: which ports it opens, and which modules run in it.

import { networkInterfaces } from "node:os";
import { type Config, ConfigError } from "@signalbox/core/config";

export type Role = {
  name: "all" | "gateway" | "service" | "operator";
  gatewayPort?: number;
  operatorPort?: number;
  servicePort?: number;
  /** The modules that run here; undefined: all of them. */
  services: string[] | undefined;
  /** Where the other processes reach it. */
  address: string;
};

/** Where a module listens when it is split out and nothing else is said. */
const servicePorts: Record<string, number> = {
  auth: 3001,
  users: 3002,
  products: 3003,
  tasks: 3004,
  media: 3005,
  feed: 3006,
  links: 3007,
};

export function readRole(config: Config, modules: string[]): Role {
  const { SIGNALBOX_ROLE: name, SIGNALBOX_SERVICES: named } = config;
  if (name === "worker")
    throw new ConfigError(
      "SIGNALBOX_ROLE=worker is no role of this program: start apps/workers/src/main.ts for it, and apps/workers/src/relay.ts once an install.",
    );
  const services = named?.includes("*") ? modules : named;
  const unknown = services?.filter((service) => !modules.includes(service)) ?? [];
  if (unknown.length > 0)
    throw new ConfigError(
      `SIGNALBOX_SERVICES names ${unknown.join(", ")}, and there is no such module; there are ${modules.join(", ")}.`,
    );
  const ports =
    name === "service"
      ? { servicePort: readServicePort(config, services ?? []) }
      : {
          ...(name === "operator" ? {} : { gatewayPort: config.SIGNALBOX_GATEWAY_PORT }),
          ...(name === "gateway" ? {} : { operatorPort: config.SIGNALBOX_OPERATOR_PORT }),
        };
  const port = ports.servicePort ?? ports.gatewayPort ?? ports.operatorPort;
  return {
    name,
    ...ports,
    services: name === "gateway" ? (services ?? []) : services,
    address: `http://${advertised(config)}:${port}`,
  };
}

function readServicePort({ SIGNALBOX_SERVICE_PORT: port }: Config, services: string[]): number {
  // Gateways learn the port from the registry, so that it must be known before it is opened.
  if (port === 0)
    throw new ConfigError("SIGNALBOX_SERVICE_PORT must be a port that others can be told, not 0.");
  const known = port ?? services.map((service) => servicePorts[service]).find((each) => each !== undefined);
  if (known !== undefined) return known;
  throw new ConfigError(
    `SIGNALBOX_SERVICE_PORT is not set, and ${services.join(", ")} has no port of its own: set one.`,
  );
}

function advertised({ SIGNALBOX_ADVERTISE: name, SIGNALBOX_HOST: host }: Config): string {
  const reached = name ?? (host === "0.0.0.0" || host === "::" ? ownAddress() : host);
  return reached.includes(":") ? `[${reached}]` : reached;
}

function ownAddress(): string {
  const all = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  return all.find(({ internal, family }) => !internal && family === "IPv4")?.address ?? "127.0.0.1";
}
