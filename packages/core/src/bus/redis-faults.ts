// Tells "Redis is away, or not ready yet" from "this command was wrong".

const awayMessage =
  /^(LOADING|READONLY|CLUSTERDOWN|MASTERDOWN|TRYAGAIN|OOM|MISCONF|BUSY|NOREPLICAS|UNBLOCKED)|Connection is closed|Command timed out|max retries per request|Stream isn't writeable|ClusterAllFailedError|Failed to refresh slots|All sentinels are unreachable|^Redis: /;
const awayCode = /^(ECONN|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH)/;

export function isRedisAway(error: unknown): boolean {
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    if (awayMessage.test(at.message)) return true;
    if ("code" in at && typeof at.code === "string" && awayCode.test(at.code)) return true;
  }
  return false;
}
