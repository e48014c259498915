import { Gauge, Histogram, Registry } from 'prom-client';
import type { RelayMetrics, VoteMetrics, VoteResult } from '../relay/metrics.ts';
import type { ReplicaResult } from '../relay/replica-results.ts';
import type { ServerCall } from '../relay/server-call.ts';
import type { RepairMetrics } from '../replication/repair-loop.ts';
import type { VolumeMetrics } from '../replication/volume-guard.ts';
import type { Flaw } from '../verification/judge.ts';
import type { VerificationMetrics } from '../verification/verifier.ts';
import type { StorageKey } from '../store/storage-identity.ts';
import type { TokenOutcome } from '../../rpc/token.ts';
import type { StorageDirectory } from '../upstream/storage-directory.ts';
import { authenticationError, authenticationStatus } from './authentication-labels.ts';
import { BucketHistogram, Buckets } from './buckets.ts';
import { CallStatistics } from './call-statistics.ts';
import { certificateGauge } from './certificate-gauge.ts';
import { storageGauges } from './storage-gauges.ts';
import { Tally } from './tally.ts';

const secondsBounds = [0.001, 0.005, 0.025, 0.1, 0.5, 1, 10, 30, 60, 300, 1500];
/** A copy may take an hour. */
const repairBounds = [0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600];
/** `replicationFactor` is at most 64. */
const voterBounds = [1, 2, 3, 4, 5, 8, 16, 32, 64];

/**
 * The proxy's metrics in Prometheus' form (docs/metrics.md). Names, labels and values are Praefect's
 * where the meaning is the same.
 */
export class ProxyMetrics
  implements RelayMetrics, VoteMetrics, RepairMetrics, VolumeMetrics, VerificationMetrics
{
  readonly registry = new Registry();
  readonly #calls = new CallStatistics(this.registry);
  readonly #connections = this.#tally(
    'gitaly_praefect_connections_total',
    'Connections of clients that were accepted.',
    ['type'],
  );
  readonly #authentications = this.#tally(
    'gitaly_authentications_total',
    'Tokens of calls that were checked.',
    ['enforced', 'status'],
  );
  readonly #authenticationErrors = this.#tally(
    'gitaly_authentication_errors_total',
    'Tokens of version 2 that were refused, by the reason.',
    ['version', 'error'],
  );
  readonly #lookups = this.#tally(
    'gitaly_praefect_uptodate_storages_cache_access_total',
    'Look-ups of repositories for reads: hit, or miss if the database had to be asked.',
    ['virtual_storage', 'type'],
  );
  readonly #reads = this.#tally('gitaly_praefect_read_distribution', 'Reads sent to a storage.', [
    'virtual_storage',
    'storage',
  ]);
  readonly #retries = this.#tally(
    'gitaly_proxy_read_retries_total',
    'Reads that failed on a storage before their answer began, and went to another.',
    ['storage'],
  );
  readonly #unknownMethods = this.#tally(
    'gitaly_proxy_unknown_method_calls_total',
    'Calls of methods that this version does not know, which were carried out as writes.',
    [],
  );
  readonly #writes = this.#tally('gitaly_proxy_writes_total', 'Writes, by what came of them.', [
    'virtual_storage',
    'outcome',
  ]);
  readonly #routedAgain = this.#tally(
    'gitaly_proxy_writes_routed_again_total',
    'Writes that came to nothing, mostly since a storage was lost, and were made again unnoticed.',
    [],
  );
  readonly #underReplicated = this.#tally(
    'gitaly_proxy_under_replicated_writes_total',
    'Writes that too few replicas hold. Their clients were told that they failed.',
    ['virtual_storage'],
  );
  readonly #failovers = this.#tally(
    'gitaly_proxy_failovers_total',
    'Primaries that this proxy has moved since theirs could not be reached.',
    ['virtual_storage'],
  );
  readonly #homecomings = this.#tally(
    'gitaly_proxy_primaries_home_total',
    'Primaries that this proxy has moved back to the storage where they are at home.',
    ['virtual_storage'],
  );
  readonly #madeWay = this.#tally(
    'gitaly_proxy_primaries_made_way_total',
    'Primaries that this proxy has moved away from a storage that is being drained.',
    ['virtual_storage'],
  );
  readonly #cutForDrain = this.#tally(
    'gitaly_proxy_drain_cut_calls_total',
    'Calls that this proxy has cut off on a storage that is being drained, since they took too long.',
    ['class'],
  );
  readonly #cut = this.#tally(
    'gitaly_proxy_cut_calls_total',
    'Calls that this proxy has cut off when it stopped, since they took too long.',
    [],
  );
  readonly #voters = new Histogram({
    name: 'gitaly_praefect_voters_per_transaction_total',
    help: 'Storages whose votes count in a write.',
    labelNames: ['virtual_storage'],
    buckets: voterBounds,
    registers: [this.registry],
  });
  readonly #transactions = this.#tally(
    'gitaly_praefect_transactions_total',
    'Votes: voters of the writes begun (registered), votes cast (started), and their answers.',
    ['action'],
  );
  readonly #voteSeconds = new Buckets(secondsBounds);
  readonly #ballots = new Histogram({
    name: 'gitaly_praefect_subtransactions_per_transaction_total',
    help: 'Votes that a storage casts in one write.',
    buckets: [0, 1, 2, 4, 8, 16, 32],
    registers: [this.registry],
  });
  readonly #results = this.#tally(
    'gitaly_praefect_tx_replications_total',
    'Replicas after a write that was recorded: updated, or why they have fallen behind.',
    ['reason'],
  );
  readonly #repairing = new Gauge({
    name: 'gitaly_praefect_replication_jobs',
    help: 'Replicas that this proxy is bringing in sync.',
    labelNames: ['virtual_storage', 'gitaly_storage', 'change_type'],
    registers: [this.registry],
  });
  readonly #repairSeconds = new Histogram({
    name: 'gitaly_praefect_replication_latency',
    help: 'How long it took to bring a replica in sync, in seconds; attempts that failed too.',
    labelNames: ['type'],
    buckets: repairBounds,
    registers: [this.registry],
  });
  readonly #repairs = this.#tally(
    'gitaly_proxy_repairs_total',
    'Attempts to bring a replica in sync that have ended.',
    ['virtual_storage', 'storage', 'outcome'],
  );

  readonly #replacedVolumes = new Gauge({
    name: 'gitaly_proxy_storage_volume_replaced',
    help: 'Whether a storage is not used since it has another volume than before.',
    // Of several workers, the one that sees it counts.
    aggregator: 'max',
    labelNames: ['virtual_storage', 'storage'],
    registers: [this.registry],
  });
  readonly #kept = new Gauge({
    name: 'gitaly_proxy_storage_volume_only_replicas',
    help: 'Repositories that may be nowhere but on the volume that a storage had before.',
    aggregator: 'max',
    labelNames: ['virtual_storage', 'storage'],
    registers: [this.registry],
  });
  readonly #givenUp = this.#tally(
    'gitaly_proxy_replicas_given_up_total',
    'Replicas that this proxy has given up since the volume was replaced that they were on.',
    ['virtual_storage', 'storage'],
  );

  readonly #verificationsBegun = this.#tally(
    'gitaly_praefect_verification_jobs_dequeued_total',
    'Replicas that this proxy has begun to verify.',
    ['virtual_storage', 'storage'],
  );
  readonly #verifications = this.#tally(
    'gitaly_praefect_verification_jobs_completed_total',
    'Replicas that were looked at: valid (there, and readable), invalid, or error if the storage did not say.',
    ['virtual_storage', 'storage', 'result'],
  );
  readonly #leftBehind = this.#tally(
    'gitaly_proxy_replicas_left_behind_total',
    'Replicas in sync that were found to be missing, damaged or different, and are repaired.',
    ['virtual_storage', 'storage', 'flaw'],
  );

  /** @param certificate what clients are shown, if they are shown one */
  constructor(storages: StorageDirectory, certificate?: () => { readonly notAfterMs: number }) {
    for (const gauge of storageGauges(storages)) this.registry.registerMetric(gauge);
    if (certificate) this.registry.registerMetric(certificateGauge(certificate));
    const voteSeconds = new BucketHistogram({
      name: 'gitaly_praefect_transactions_delay_seconds',
      help: 'From a vote to its answer.',
      bounds: secondsBounds,
      read: () => [[{ action: 'vote' }, this.#voteSeconds]],
    });
    this.registry.registerMetric(voteSeconds);
  }

  /** Methods that the proxy answers itself: they are counted by their names. */
  addLocalMethods(paths: Iterable<string>): void {
    this.#calls.addLocal(paths);
  }

  callStarted(call: ServerCall): void {
    this.#calls.started(call);
  }

  callEnded(call: ServerCall, code: number, seconds: number): void {
    this.#calls.ended(call, code, seconds);
  }

  connectionAccepted(type: string): void {
    this.#connections.add(1, type);
  }

  /** @param enforced whether a refused call was ended */
  tokenChecked(outcome: TokenOutcome, enforced: boolean): void {
    const status = authenticationStatus(outcome, enforced);
    this.#authentications.add(1, enforced ? 'true' : 'false', status);
    const error = authenticationError(outcome);
    if (error !== undefined) this.#authenticationErrors.add(1, 'v2', error);
  }

  repositoryLookedUp(virtualStorage: string, isHit: boolean): void {
    this.#lookups.add(1, virtualStorage, isHit ? 'hit' : 'miss');
  }

  readRouted(virtualStorage: string, storage: string): void {
    this.#reads.add(1, virtualStorage, storage);
  }

  readRetried(storage: string): void {
    this.#retries.add(1, storage);
  }

  unknownMethodCalled(): void {
    this.#unknownMethods.add(1);
  }

  writeStarted(virtualStorage: string, voters: number): void {
    this.#transactions.add(voters, 'registered');
    this.#voters.observe({ virtual_storage: virtualStorage }, voters);
  }

  voteCast(): void {
    this.#transactions.add(1, 'started');
  }

  voteAnswered(result: VoteResult, seconds: number): void {
    this.#transactions.add(1, result);
    this.#voteSeconds.record(seconds);
  }

  writeStopped(): void {
    this.#transactions.add(1, 'stopped');
  }

  writeEnded(ballots: number): void {
    this.#ballots.observe(ballots);
  }

  replicaSettled(result: ReplicaResult): void {
    this.#results.add(1, result);
  }

  writeSettled(virtualStorage: string, outcome: 'recorded' | 'unchanged' | 'failed'): void {
    this.#writes.add(1, virtualStorage, outcome);
  }

  writeRoutedAgain(): void {
    this.#routedAgain.add(1);
  }

  underReplicatedWrite(virtualStorage: string): void {
    this.#underReplicated.add(1, virtualStorage);
  }

  failedOver(virtualStorage: string): void {
    this.#failovers.add(1, virtualStorage);
  }

  cameHome(virtualStorage: string): void {
    this.#homecomings.add(1, virtualStorage);
  }

  madeWay(virtualStorage: string): void {
    this.#madeWay.add(1, virtualStorage);
  }

  cutForDrain(callClass: string): void {
    this.#cutForDrain.add(1, callClass);
  }

  callsCut(calls: number): void {
    this.#cut.add(calls);
  }

  repairStarted(
    virtualStorage: string,
    storage: string,
  ): (outcome: 'inSync' | 'waits' | 'failed', seconds: number) => void {
    const labels = {
      virtual_storage: virtualStorage,
      gitaly_storage: storage,
      change_type: 'update',
    };
    this.#repairing.inc(labels);
    return (outcome, seconds) => {
      this.#repairing.dec(labels);
      this.#repairSeconds.observe({ type: 'update' }, seconds);
      this.#repairs.add(1, virtualStorage, storage, outcome);
    };
  }

  volumeCompared({ virtualStorage, storage }: StorageKey, isReplaced: boolean): void {
    const labels = { virtual_storage: virtualStorage, storage };
    this.#replacedVolumes.set(labels, isReplaced ? 1 : 0);
  }

  repositoriesKept({ virtualStorage, storage }: StorageKey, repositories: number): void {
    this.#kept.set({ virtual_storage: virtualStorage, storage }, repositories);
  }

  replicasGivenUp({ virtualStorage, storage }: StorageKey, replicas: number): void {
    this.#givenUp.add(replicas, virtualStorage, storage);
  }

  verificationStarted(virtualStorage: string, storage: string): void {
    this.#verificationsBegun.add(1, virtualStorage, storage);
  }

  verificationEnded(
    virtualStorage: string,
    storage: string,
    result: 'valid' | 'invalid' | 'error',
  ): void {
    this.#verifications.add(1, virtualStorage, storage, result);
  }

  leftBehind(virtualStorage: string, storage: string, flaw: Flaw): void {
    this.#leftBehind.add(1, virtualStorage, storage, flaw);
  }

  #tally<Label extends string>(name: string, help: string, labelNames: readonly Label[]) {
    return new Tally({ name, help, labelNames }, this.registry);
  }
}
