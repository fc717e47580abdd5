// Every Redis key of the bus. What meets in one command carries one hash tag, so the same keys work on Redis Cluster.

export const defaultPartitions = 8;

export type BusKeys = ReturnType<typeof busKeys>;

export function busKeys(prefix = "bus") {
  return {
    /** The events of one partition in one epoch (a database cluster on one timeline). */
    stream: (partition: number, epoch: string) => `${prefix}:{p${partition}}:${epoch}`,
    /** Who consumes this partition for this group now. */
    lease: (partition: number, group: string) => `${prefix}:{p${partition}}:lease:${group}`,
    /** How far each group is; one field a group, so that trimming sees all of them at once. */
    cursors: (partition: number) => `${prefix}:{p${partition}}:cursors`,
    /** Epochs in the order in which they began. Its absence tells that Redis forgot everything. */
    epochs: `${prefix}:{epochs}`,
    /** Live workers of a group, scored by the instant at which each counts as gone. */
    members: (group: string) => `${prefix}:{members}:${group}`,
    /** Pub/sub: someone let go of a lease. */
    released: `${prefix}:released`,
  };
}
