// What a Compose file must say of each service so that it is hardened and boring.

type ComposeService = {
  image?: string;
  user?: string;
  read_only?: boolean;
  cap_drop?: string[];
  cap_add?: string[];
  security_opt?: string[];
  mem_limit?: string;
  pids_limit?: number;
  logging?: { options?: Record<string, string> };
  healthcheck?: unknown;
  restart?: string;
  ports?: string[];
  environment?: Record<string, string>;
};
export type ComposeFile = { services: Record<string, ComposeService> };

/** Its program asks for this one by itself. */
const allowed: Record<string, string[]> = { edge: ["NET_BIND_SERVICE"] };

/** In words; none where everything is as it must be. */
export function composeFaults({ services }: ComposeFile): string[] {
  const faults: string[] = [];
  for (const [name, service] of Object.entries(services)) {
    const say = (isFault: boolean, text: string) => void (isFault && faults.push(`${name}${text}`));
    const image = withDefaults(service.image ?? "");
    // What ends by itself has no health to ask for.
    const isShort = service.restart === "no";
    say(!service.user || /^(root|0)(:|$)/.test(service.user), " runs as root");
    say(service.read_only !== true, " can write its root");
    say(!service.cap_drop?.includes("ALL"), " keeps capabilities");
    for (const capability of service.cap_add ?? [])
      say(!allowed[name]?.includes(capability), ` asks for ${capability}`);
    say(!service.security_opt?.includes("no-new-privileges:true"), " may gain privileges");
    say(!service.mem_limit, " has no bound on memory");
    say(!service.pids_limit, " has no bound on processes");
    say(!service.logging?.options?.["max-size"], "'s logs have no bound");
    say(!isShort && !service.healthcheck, " has no health check");
    for (const port of service.ports ?? []) {
      say(name !== "edge", " is published");
      say(name === "edge" && !withDefaults(port).startsWith("127.0.0.1:"), " is published beyond 127.0.0.1");
    }
    say(!/:[\w.-]+$/.test(image) || image.endsWith(":latest"), " has no version");
    say(/bitnami|minio/i.test(image), ` comes from ${/bitnami|minio/i.exec(image)?.[0]}`);
    const secrets = Object.entries(service.environment ?? {}).filter(
      ([key, value]) => /(PASSWORD|SECRET|TOKEN|KEY)$/.test(key) && value !== "",
    );
    say(secrets.length > 0, " has a secret in its environment");
  }
  return faults;
}

/** `${NAME:-value}` as it stands without a NAME. */
const withDefaults = (text: string) => text.replaceAll(/\$\{\w+:-([^}]*)\}/g, "$1");
