import { Gauge } from 'prom-client';
import type { Storage } from '../upstream/storage.ts';
import type { StorageDirectory, VirtualStorage } from '../upstream/storage-directory.ts';

interface StorageGauge {
  readonly name: string;
  readonly help: string;
  /** How the values of several workers are put together. Default: their sum. */
  readonly aggregator?: 'min' | 'max';
  /** Undefined leaves the storage out. */
  valueOf(storage: Storage, virtualStorage: VirtualStorage): number | undefined;
}

const gauges: readonly StorageGauge[] = [
  {
    name: 'gitaly_proxy_storage_healthy',
    help: 'Whether calls are sent to a storage.',
    // Of several workers, the one that cannot reach it counts.
    aggregator: 'min',
    valueOf: ({ health }) => Number(health.kind === 'healthy'),
  },
  {
    name: 'gitaly_proxy_storage_draining',
    help: 'Whether clients are kept away from a storage.',
    // Of several workers, the one that has not taken note counts.
    aggregator: 'min',
    valueOf: ({ isDraining }) => Number(isDraining),
  },
  {
    name: 'gitaly_proxy_storage_fails_writes',
    help: 'Whether a storage fails writes that others can do, so that primaries move away from it.',
    aggregator: 'max',
    valueOf: ({ writes }) => Number(writes.failsWrites),
  },
  {
    name: 'gitaly_proxy_storage_waiting_calls',
    help: 'Calls that wait for room, since the storage takes no more at a time.',
    valueOf: ({ calls }) => calls.waiting,
  },
  {
    name: 'gitaly_proxy_storage_weight',
    help: 'How often new repositories go to a storage; 100 is as often as to most.',
    // Each worker measures for itself, a minute apart at most.
    aggregator: 'min',
    valueOf: ({ name }, virtualStorage) => virtualStorage.weighing(name).weight,
  },
  {
    name: 'gitaly_proxy_storage_free_bytes',
    help: "What is free on a storage's disk.",
    aggregator: 'min',
    valueOf: ({ disk }) => disk?.freeBytes,
  },
  {
    name: 'gitaly_proxy_storage_total_bytes',
    help: "The size of a storage's disk.",
    aggregator: 'min',
    valueOf: ({ disk }) => disk?.totalBytes,
  },
  {
    name: 'gitaly_proxy_storage_certificate_not_after_seconds',
    help: 'When the certificate ends that a storage showed when this proxy connected.',
    aggregator: 'min',
    valueOf: ({ certificateNotAfterMs: endMs }) => (endMs === undefined ? undefined : endMs / 1000),
  },
];

/** What this proxy knows of each storage at the moment, read when the metrics are asked for. */
export function storageGauges(storages: StorageDirectory): readonly Gauge[] {
  return gauges.map(
    ({ valueOf, ...gauge }) =>
      new Gauge({
        ...gauge,
        labelNames: ['virtual_storage', 'storage'],
        registers: [],
        collect() {
          // What nobody knows any more is not to stay.
          this.reset();
          for (const virtualStorage of storages.all) {
            for (const storage of virtualStorage.storages) {
              const value = valueOf(storage, virtualStorage);
              if (value === undefined) continue;
              this.set({ virtual_storage: virtualStorage.name, storage: storage.name }, value);
            }
          }
        },
      }),
  );
}
