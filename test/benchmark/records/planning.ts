import { sleep, systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { seededRandom } from '../../../src/base/random.ts';
import { RepairLoop } from '../../../src/proxy/replication/repair-loop.ts';
import { Settler } from '../../../src/proxy/replication/settler.ts';
import { WriteRegistry } from '../../../src/proxy/transactions/write-registry.ts';
import type { Cost, Records } from './records.ts';

const lookForMs = 5000;

/**
 * What one look for repairs costs, of which a proxy makes two a second: while the storage is away in which all
 * repositories are behind, and when it is back and its places for copies are taken.
 */
export async function measurePlanning(records: Records): Promise<readonly Cost[]> {
  const costs: Cost[] = [];
  for (const isReturned of [false, true]) {
    records.setReturned(isReturned);
    const what = isReturned
      ? 'look for repairs, storage is back'
      : 'look for repairs, storage away';
    costs.push(await records.measure(what, () => look(records)));
  }
  return costs;
}

/** @returns how many looks there were */
async function look({ owner, store, storages, view }: Records): Promise<number> {
  const copies = new AbortController();
  for (const virtualStorage of storages.all) {
    const control = { objectPoolOf: () => rejectsOn(copies.signal) };
    virtualStorage.control = () => control as never;
  }
  let looks = 0;
  const outage = { failed() {}, worked: () => (looks += 1) };
  const membership = {
    live: new Set([owner]),
    leaseTerm: 1,
    hasHeldLeaseSince: () => true,
    isAbandoned: () => false,
    refresh: async () => {},
  };
  const writes = new WriteRegistry();
  const common = { owner, store, storages, view, writes, membership, outage };
  const options = { ...common, clock: systemClock, logger: silentLogger };
  const loop = new RepairLoop({
    ...options,
    settler: new Settler(options),
    repair: options,
    random: seededRandom(1),
    metrics: { repairStarted: () => () => {} },
    intervalMs: 1,
  });
  loop.start();
  await sleep(systemClock, lookForMs);
  copies.abort();
  await loop.stop();
  return looks;
}

/** A copy that takes as long as the measurement. */
function rejectsOn(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(new Error('the measurement is over')));
  });
}
