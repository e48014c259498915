import { listOf } from '../../base/list-of.ts';
import type { JudgedStorage } from './judged-storage.ts';
import type { RollObservation } from './roll-observation.ts';
import { describeRequesters, describeState } from './roll-text.ts';
import { isWhole, missingReplicas } from './storage-state.ts';

/** Why nothing may begin anywhere, for a person; undefined if something may. */
export function holdOf({ isApplied, proxies }: RollObservation): string | undefined {
  if (!isApplied) return 'the spec is not applied yet: see Reconciled';
  switch (proxies.kind) {
    case 'silent':
      return `no proxy says how the repositories are: ${proxies.message}`;
    case 'storeUnreachable':
      return 'the proxies cannot reach their database: see DatabaseReady';
    case 'answered': {
      const { away } = proxies;
      if (away.length === 0) return undefined;
      const does = away.length === 1 ? 'does' : 'do';
      return `${listOf(away)} ${does} not answer, or cannot reach the database, and would hear of no drain`;
    }
    default:
      return proxies satisfies never;
  }
}

/**
 * Why a storage that serves may not go now, for a person; undefined if nobody would miss it. It may go if it is the
 * only one that anything is the matter with: all others are ready, healthy, in sync and not drained, and the
 * repositories that are short of a replica are no more than those that it holds no good replica of itself.
 */
export function blockOf(
  storage: JudgedStorage,
  storages: readonly JudgedStorage[],
  { virtualStorages }: RollObservation,
): string | undefined {
  if (!storage.report) return `${storage.name} is not known to the proxies yet`;
  const other = storages.find((one) => one.name !== storage.name && !isSettled(one));
  if (other) return describeUnsettled(other);
  const short = virtualStorages.find(({ name }) => name === storage.virtualStorage)?.short ?? 0;
  const explained = missingReplicas(storage.report);
  if (short <= explained) return undefined;
  return `${short - explained} repositories in ${storage.virtualStorage} are short of a replica: see DataSafe`;
}

/**
 * Why the pod of a storage that nobody can use may not be deleted now, for a person; undefined if it may. It takes
 * no replica from anybody. But one pod at a time shows whether the wanted revision works, and a pod that may
 * become ready by itself is left alone while repositories need it to take writes.
 */
export function brokenBlockOf(
  storage: JudgedStorage,
  storages: readonly JudgedStorage[],
  { virtualStorages, proxies }: RollObservation,
): string | undefined {
  const onItsWay = storages.find(({ state: { kind } }) =>
    ['stopping', 'absent', 'starting', 'failed', 'flawed', 'undetermined'].includes(kind),
  );
  if (onItsWay) return describeUnsettled(onItsWay);
  if (storage.state.kind === 'broken' && storage.state.isFailing) return undefined;
  if (proxies.kind !== 'answered') return 'it may become ready by itself';
  const virtualStorage = virtualStorages.find(({ name }) => name === storage.virtualStorage);
  return virtualStorage && virtualStorage.refusing > 0
    ? 'repositories refuse writes, and it may become ready by itself'
    : undefined;
}

/** Whether clients can count on the storage while another one is away. */
function isSettled({ state: { kind }, report }: JudgedStorage): boolean {
  if (kind !== 'upToDate' && kind !== 'outdated') return false;
  return isWhole(report) && report?.drain === undefined;
}

function describeUnsettled(storage: JudgedStorage): string {
  const { name, state, report } = storage;
  const drain = report?.drain;
  const isPlain = state.kind === 'upToDate' || state.kind === 'outdated';
  if (isPlain && drain) return `${name} is drained by ${describeRequesters(drain)}`;
  if (!isPlain) return `${name} ${describeState(storage)}`;
  return `${name} ${describeState({ ...storage, state: { kind: 'returning' } })}`;
}
