// Who may reach whom, as NetworkPolicies say it: a pod that any policy selects is closed in that direction but for what one of them
// lets through. Peers outside of the install are named by hand.

import type { Manifest } from "./render.ts";

type Labels = Record<string, string>;
type Selector = { matchLabels?: Labels };
type Peer = { podSelector?: Selector; namespaceSelector?: Selector; ipBlock?: { cidr: string } };
type Port = { port: number; protocol?: string };
type Rule = { from?: Peer[]; to?: Peer[]; ports?: Port[] };
type Policy = { podSelector: Selector; policyTypes: string[]; ingress?: Rule[]; egress?: Rule[] };

/** Of the install: its labels. From elsewhere: the labels of its namespace, or an address. */
export type Party = { labels?: Labels; namespace?: Labels; address?: string };

const selects = ({ matchLabels = {} }: Selector, labels: Labels): boolean =>
  Object.entries(matchLabels).every(([key, value]) => labels[key] === value);

function isPeer(peer: Peer, party: Party): boolean {
  if (peer.ipBlock) return party.address === peer.ipBlock.cidr;
  if (peer.namespaceSelector)
    return (
      party.namespace !== undefined &&
      selects(peer.namespaceSelector, party.namespace) &&
      (!peer.podSelector || selects(peer.podSelector, party.labels ?? {}))
    );
  // Without a word on namespaces: pods of this one.
  return (
    party.labels !== undefined &&
    party.namespace === undefined &&
    selects(peer.podSelector ?? {}, party.labels)
  );
}

function lets(policies: Policy[], way: "ingress" | "egress", own: Party, other: Party, port: Port): boolean {
  if (!own.labels || own.namespace) return true;
  const type = way === "ingress" ? "Ingress" : "Egress";
  const mine = policies.filter(
    (each) => each.policyTypes.includes(type) && selects(each.podSelector, own.labels!),
  );
  if (mine.length === 0) return true;
  return mine
    .flatMap((each) => each[way] ?? [])
    .some(({ from, to, ports }) => {
      const peers = way === "ingress" ? from : to;
      return (
        (peers === undefined || peers.some((peer) => isPeer(peer, other))) &&
        (ports === undefined ||
          ports.some(
            (each) => each.port === port.port && (each.protocol ?? "TCP") === (port.protocol ?? "TCP"),
          ))
      );
    });
}

export function mayReach(
  manifests: Manifest[],
  from: Party,
  to: Party,
  port: number,
  protocol = "TCP",
): boolean {
  const policies = manifests.filter(({ kind }) => kind === "NetworkPolicy").map(({ spec }) => spec as Policy);
  const at = { port, protocol };
  return lets(policies, "egress", from, to, at) && lets(policies, "ingress", to, from, at);
}
