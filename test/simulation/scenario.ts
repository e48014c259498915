import type { WriteClass } from '../../src/proxy/relay/write-classes.ts';
import type { Move } from '../../src/proxy/routing/repository-record.ts';
import type { Cluster, ClusterShape } from './cluster.ts';
import type { WriteRequest } from './simulated-storage.ts';

/** What clients do in a short schedule while something goes wrong. */
export interface Scenario {
  readonly name: string;
  readonly shape: ClusterShape;
  /** Faults that would leave nothing, together with what it does. They are not played. */
  readonly excludes?: RegExp;
  /** Everything that it does begins within seconds. */
  begin(clients: Clients): void;
}

/** Those who use the cluster, through the proxy of a name, or another one if that is gone. */
export interface Clients {
  readonly cluster: Cluster;
  /** Does something so much later. */
  after(delayMs: number, action: () => void): void;
  write(proxy: string, write: ShortWrite): void;
  /** Makes another repository. */
  create(proxy: string): void;
  /** A storage's replica is damaged as soon as nobody writes and all is well. */
  damage(storage: string, how: 'loses' | 'alters'): void;
  /** From now on a person looks now and then for what only a person can put right, and chooses that storage. */
  chooseWhereAsked(storage: string): void;
  /** Reads through every proxy. */
  read(): void;
  remove(proxy: string): void;
  changeReplicaCount(proxy: string, count: number): void;
  moveReplica(proxy: string, move: Move): void;
  /**
   * A person declares a replica to be right, again and again until that is done or makes no sense. Something may
   * get lost by that only if a storage was away.
   */
  acceptLoss(proxy: string, storage: string): void;
}

export interface ShortWrite {
  readonly class: WriteClass;
  readonly changes: WriteRequest['changes'];
  /** Default: true. */
  readonly votes?: boolean;
  /** Default: false. */
  readonly isBlind?: boolean;
  readonly abortAfterMs?: number;
  readonly gapMs?: number;
}
