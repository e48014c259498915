import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { statusName } from '../../rpc/status.ts';
import type { RelayMetrics } from '../relay/metrics.ts';
import type { StorageDirectory } from '../upstream/storage-directory.ts';

/** The proxy's metrics in Prometheus' form. Names are Praefect's where the meaning is the same. */
export class ProxyMetrics implements RelayMetrics {
  readonly registry = new Registry();
  readonly #handled = this.#counter('grpc_server_handled_total', 'Calls that have ended.', [
    'grpc_service',
    'grpc_method',
    'grpc_code',
  ]);
  readonly #seconds = new Histogram({
    name: 'grpc_server_handling_seconds',
    help: 'How long calls took.',
    labelNames: ['grpc_service', 'grpc_method'],
    buckets: [0.001, 0.005, 0.025, 0.1, 0.5, 1, 10, 30, 60, 300, 1500],
    registers: [this.registry],
  });
  readonly #reads = this.#counter('gitaly_praefect_read_distribution', 'Reads sent to a storage.', [
    'virtual_storage',
    'storage',
  ]);
  readonly #retries = this.#counter(
    'gitaly_proxy_read_retries_total',
    'Reads that failed on a storage before their answer began, and went to another.',
    ['storage'],
  );
  readonly #writes = this.#counter('gitaly_proxy_writes_total', 'Writes, by what came of them.', [
    'virtual_storage',
    'outcome',
  ]);
  readonly #routedAgain = this.#counter(
    'gitaly_proxy_writes_routed_again_total',
    'Writes that came to nothing, mostly since a storage was lost, and were made again unnoticed.',
    [],
  );
  readonly #underReplicated = this.#counter(
    'gitaly_proxy_under_replicated_writes_total',
    'Writes that too few replicas hold. Their clients were told that they failed.',
    ['virtual_storage'],
  );
  readonly #failovers = this.#counter(
    'gitaly_proxy_failovers_total',
    'Primaries that this proxy has moved since theirs could not be reached.',
    ['virtual_storage'],
  );
  readonly #cut = this.#counter(
    'gitaly_proxy_cut_calls_total',
    'Calls that this proxy has cut off when it stopped, since they took too long.',
    [],
  );

  constructor(storages: StorageDirectory) {
    this.registry.registerMetric(healthGauge(storages));
  }

  callEnded({ method, known, code, seconds }: Parameters<RelayMetrics['callEnded']>[0]): void {
    // What a client makes up must not become a label.
    const [, service = '', name = ''] = known ? method.split('/') : ['', 'unknown', 'unknown'];
    const labels = { grpc_service: service, grpc_method: name };
    this.#handled.inc({ ...labels, grpc_code: statusName(code) });
    this.#seconds.observe(labels, seconds);
  }

  readRouted(virtualStorage: string, storage: string): void {
    this.#reads.inc({ virtual_storage: virtualStorage, storage });
  }

  readRetried(storage: string): void {
    this.#retries.inc({ storage });
  }

  writeSettled(virtualStorage: string, outcome: 'recorded' | 'unchanged' | 'failed'): void {
    this.#writes.inc({ virtual_storage: virtualStorage, outcome });
  }

  writeRoutedAgain(): void {
    this.#routedAgain.inc();
  }

  underReplicatedWrite(virtualStorage: string): void {
    this.#underReplicated.inc({ virtual_storage: virtualStorage });
  }

  failedOver(virtualStorage: string): void {
    this.#failovers.inc({ virtual_storage: virtualStorage });
  }

  callsCut(calls: number): void {
    this.#cut.inc(calls);
  }

  #counter<Label extends string>(name: string, help: string, labelNames: Label[]): Counter<Label> {
    return new Counter({ name, help, labelNames, registers: [this.registry] });
  }
}

function healthGauge(storages: StorageDirectory): Gauge {
  return new Gauge({
    name: 'gitaly_proxy_storage_healthy',
    help: 'Whether calls are sent to a storage.',
    labelNames: ['virtual_storage', 'storage'],
    registers: [],
    collect() {
      for (const { name, storages: members } of storages.all) {
        for (const { name: storage, health } of members) {
          this.set({ virtual_storage: name, storage }, health.kind === 'healthy' ? 1 : 0);
        }
      }
    },
  });
}
