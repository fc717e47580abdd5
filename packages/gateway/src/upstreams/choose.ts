// Which instance a call goes to: healthy before failing, the call's own track, this zone first, and of two picked at random the one with less to do.

export type Candidate = {
  readonly track: "stable" | "canary";
  readonly zone: string;
  /** Calls under way there, as far as known. */
  readonly load: number;
};

/** Instances by zone, with the share of the calls that each zone takes; shares add up to 1. */
export type Plan<Peer> = { share: number; peers: Peer[] }[];

/** Of a hundred calls that would go to a zone, how many do. */
export type ZoneWeights = (zone: string) => number;

export function planOf<Peer extends Candidate>(
  peers: Peer[],
  track: "stable" | "canary",
  own: string,
  weightOf: ZoneWeights,
): Plan<Peer> {
  const ofTrack = peers.filter((peer) => peer.track === track);
  const zones = Map.groupBy(ofTrack.length > 0 ? ofTrack : peers, ({ zone }) => zone);
  if (zones.size < 2) return [...zones.values()].map((peers) => ({ share: 1, peers }));

  // With every zone's weight at 0 the calls must go somewhere all the same.
  const anyWeight = [...zones.keys()].some((zone) => weightOf(zone) > 0);
  const weighted = (zone: string) => (anyWeight ? weightOf(zone) / 100 : 1);
  const home = zones.get(own);
  // A zone keeps its own calls as far as its part of the instances carries them.
  const evenly = [...zones.values()].reduce((sum, { length }) => sum + length, 0) / zones.size;
  const kept = home ? weighted(own) * Math.min(1, home.length / evenly) : 0;

  const room = (zone: string, { length }: Peer[]) => (zone === own && kept > 0 ? 0 : length * weighted(zone));
  const all = [...zones].reduce((sum, [zone, peers]) => sum + room(zone, peers), 0);
  return [...zones].flatMap(([zone, peers]) => {
    const spilled = all > 0 ? ((1 - kept) * room(zone, peers)) / all : 0;
    const share = zone === own && kept > 0 ? (all > 0 ? kept : 1) : spilled;
    return share > 0 ? [{ share, peers }] : [];
  });
}

export function pick<Peer extends Candidate>(plan: Plan<Peer>, random = Math.random): Peer | undefined {
  let [zone, left] = [plan[0], plan.length > 1 ? random() : 0];
  for (let at = 0; at < plan.length && left >= 0; at++) {
    zone = plan[at];
    left -= zone!.share;
  }
  if (zone === undefined) return undefined;
  const { peers } = zone;
  if (peers.length < 2) return peers[0];
  const first = Math.floor(random() * peers.length);
  const second = (first + 1 + Math.floor(random() * (peers.length - 1))) % peers.length;
  const [a, b] = [peers[first]!, peers[second]!];
  return b.load < a.load ? b : a;
}
