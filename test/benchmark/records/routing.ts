import { systemClock } from '../../../src/base/clock.ts';
import { seededRandom } from '../../../src/base/random.ts';
import { recordForRead } from '../../../src/proxy/relay/read-record.ts';
import { routeRead, routeWrite } from '../../../src/proxy/routing/route.ts';
import type { RepositoryKey } from '../../../src/proxy/store/control-store.ts';
import type { Cost, Records } from './records.ts';

const coldCalls = 1000;
const warmCalls = 200_000;

/** What it costs to find out where a call goes: to a repository that the proxy does not know, and to one that it does. */
export async function measureRouting({
  count,
  store,
  view,
  storages,
  measure,
}: Records): Promise<readonly Cost[]> {
  const [virtualStorage] = storages.all;
  if (virtualStorage === undefined) throw new Error('there is no virtual storage');
  const { policy } = virtualStorage;
  const random = seededRandom(1);
  const readOptions = { primaryOnly: false, excluded: new Set<string>(), random };
  const context = { view, clock: systemClock, membership: { holdsLease: true } as never };
  const keyOf = (number: number): RepositoryKey => ({
    virtualStorage: 'default',
    relativePath: `copy-${number}.git`,
  });
  const route = async (number: number) => {
    const record = await recordForRead(keyOf(number), context);
    if (record === undefined) throw new Error(`there is no repository ${number}`);
    const nodes = virtualStorage.nodes();
    return [routeRead(record, nodes, readOptions), routeWrite(record, nodes, policy)];
  };
  const anyNumber = () => 1 + Math.floor(random.next() * (count - 1));
  // Prepares the statement on each connection.
  await Promise.all(Array.from({ length: 50 }, (_, index) => route(index + 1)));
  const stride = Math.max(1, Math.floor((count - 100) / coldCalls));
  const cold = await measure('call, record not known', async () => {
    const calls = Math.min(coldCalls, count - 100);
    for (let call = 0; call < calls; call++) await route(60 + call * stride);
    return calls;
  });
  const known = await measure('record, kept in memory', async () => {
    for (let afterId = 0n; ;) {
      const page = await store.list({ afterId, limit: 1000 });
      for (const record of page) view.learn(record);
      if (page.length < 1000) return count;
      afterId = page.at(-1)?.id ?? 0n;
    }
  });
  for (let call = 0; call < 20_000; call++) await route(anyNumber());
  const warm = await measure('call, record known', async () => {
    for (let call = 0; call < warmCalls; call++) await route(anyNumber());
    return warmCalls;
  });
  return [cold, known, warm];
}
