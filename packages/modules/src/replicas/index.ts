export { fromReplica, noted, replicaFamilies } from "./reads.ts";
