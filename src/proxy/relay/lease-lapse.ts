import type { Logger } from '../../base/logger.ts';
import type { WriteRegistry } from '../transactions/write-registry.ts';
import type { Storage } from '../upstream/storage.ts';

export interface LeaseLapseOptions {
  readonly writes: Pick<WriteRegistry, 'unconfirmed'>;
  /** All virtual storages. */
  readonly storages: {
    readonly all: readonly {
      readonly storages: readonly Pick<Storage, 'name' | 'confirmArrival'>[];
    }[];
  };
  readonly logger: Logger;
}

/**
 * Sees to it that what this proxy has decided arrives while its lease lasts, or never.
 *
 * In `leftMs` others may settle its writes: they compare what the storages hold. A decision that reaches a storage
 * after that would change one of those that were found equal. It can come so late in a network that stutters, or
 * from a process that stood still. So storages that may not have heard a decision get half of that time to show
 * that they have; what is on its way to the others is lost with their connections.
 */
export function endDecisions(
  leftMs: number,
  { writes, storages, logger }: LeaseLapseOptions,
): void {
  const { unconfirmed } = writes;
  if (unconfirmed.size === 0) return;
  const late = storages.all.flatMap((each) =>
    each.storages.filter(({ name }) => unconfirmed.has(name)),
  );
  logger.warn(
    { storages: late.map(({ name }) => name) },
    'the lease may run out before these storages have heard what was decided',
  );
  for (const storage of late) storage.confirmArrival(leftMs / 2);
}
