import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Random } from '../../base/random.ts';
import type { RepositoryRecord } from '../routing/repository-record.ts';
import type { ControlStore } from '../store/control-store.ts';
import type { ActiveWriteOptions } from '../transactions/active-write.ts';
import type { WriteRegistry } from '../transactions/write-registry.ts';
import type { StorageDirectory } from '../upstream/storage-directory.ts';
import type { Membership } from '../view/membership.ts';
import type { RepositoryView } from '../view/repository-view.ts';
import type { RelayMetrics } from './metrics.ts';
import type { SidechannelRegistry } from './sidechannel-registry.ts';

/** What every call of this proxy needs. */
export interface RelayContext {
  /** This proxy, as in its lease. */
  readonly owner: string;
  readonly store: ControlStore;
  readonly view: RepositoryView;
  readonly membership: Membership;
  readonly storages: StorageDirectory;
  readonly writes: WriteRegistry;
  readonly sidechannels: SidechannelRegistry;
  readonly metrics: RelayMetrics;
  readonly clock: Clock;
  readonly random: Random;
  readonly lateLimitMs?: ActiveWriteOptions['lateLimitMs'];
  readonly logger: Logger;
  /** Where a new repository lies on its storages. */
  replicaPathOf(id: bigint, relativePath: string): string;
  /** Settles the writes of owners that are gone; resolves when it was tried. */
  settleAbandoned(record: RepositoryRecord): Promise<void>;
}
