import type { Clock } from '../base/clock.ts';
import { errorMessage } from '../base/errors.ts';
import { PlacementsBuilder } from '../reconcilers/rollout/placements.ts';
import { readPlacements } from '../rpc/placement-list.ts';
import { callAdmin } from './call-admin.ts';
import type { PlacementSource, StorageName } from './placement-source.ts';
import type { ProxyEndpoint } from './proxy-status-source.ts';

/** Stands for those that are made while storages are away. */
const newRepository = 'a new repository';
/** As long as proxies take for a list. */
const defaultLimitMs = 30_000;
/** For all sets with their examples: 500,000 sets of three storages need 50 MiB. */
const defaultMaxBytes = 128 * 2 ** 20;

export interface RpcPlacementsOptions {
  readonly clock: Clock;
  /** For an answer, however many proxies are asked. Default 30 s. */
  readonly limitMs?: number;
  /** How much memory an answer may take. Default 128 MiB. */
  readonly maxBytes?: number;
}

/** Asks for `AdminService.ListPlacements`, one virtual storage after the other. */
export function rpcPlacements(options: RpcPlacementsOptions): PlacementSource {
  const { clock, limitMs = defaultLimitMs, maxBytes = defaultMaxBytes } = options;

  async function listFrom(
    proxy: ProxyEndpoint,
    token: string,
    storages: readonly StorageName[],
    untilMs: number,
  ) {
    const builder = new PlacementsBuilder();
    for (const [virtualStorage, indexes] of indexesByVirtualStorage(storages)) {
      const left = Math.max(1, untilMs - clock.monotonicMs());
      await callAdmin({ clock, proxy, token, limitMs: left }, async (admin, callOptions) => {
        const parts = admin.listPlacements({ virtualStorage }, callOptions);
        for await (const { storages: names, ...placed } of readPlacements(parts)) {
          const members = names.flatMap((name) => indexes.get(name) ?? []);
          if (members.length > 0) builder.add(members, placed.repositories, placed.example);
          if (builder.byteLength > maxBytes) {
            throw new Error(`where repositories are needs more than ${maxBytes} bytes of memory`);
          }
        }
      });
      builder.add([...indexes.values()], 1, newRepository);
    }
    return builder.build();
  }

  return {
    async list(proxies, token, storages) {
      const untilMs = clock.monotonicMs() + limitMs;
      const failures: string[] = [];
      for (const proxy of proxies) {
        try {
          return { kind: 'listed', placements: await listFrom(proxy, token, storages, untilMs) };
        } catch (thrown) {
          failures.push(errorMessage(thrown));
        }
        if (clock.monotonicMs() >= untilMs) break;
      }
      return { kind: 'unknown', message: failures.join('; ') || 'no proxy has an address yet' };
    },
  };
}

/** By virtual storage and name: the storage's index. */
function indexesByVirtualStorage(
  storages: readonly StorageName[],
): ReadonlyMap<string, ReadonlyMap<string, number>> {
  const found = new Map<string, Map<string, number>>();
  for (const [index, { virtualStorage, name }] of storages.entries()) {
    const indexes = found.get(virtualStorage) ?? new Map<string, number>();
    found.set(virtualStorage, indexes.set(name, index));
  }
  return found;
}
