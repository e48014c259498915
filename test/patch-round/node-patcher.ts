import { systemClock } from '../../src/base/clock.ts';
import { silentLogger } from '../../src/base/logger.ts';
import { systemRandom } from '../../src/base/random.ts';
import type { Stoppable } from '../../src/base/scope.ts';
import type { GitalyMaintenance } from '../../src/api/generated/gitaly-maintenance.ts';
import { Reflector } from '../../src/kube/reflector.ts';
import { resourceTypes } from '../../src/kube/resource-types.ts';
import { kubeClientOf } from './kube-client-of.ts';
import { bootIDs, bootKey } from './stages.ts';

/** Whoever patches nodes. */
export interface NodePatcher extends Stoppable {
  /** Whether every maintenance that was there is completed, and there was one. */
  readonly isDone: boolean;
}

/** Boots each node anew as soon as a maintenance says that it is cleared. */
export async function startNodePatcher(kubeconfig: string): Promise<NodePatcher> {
  const client = kubeClientOf(kubeconfig);
  const booted = new Set<string>();
  const errors: unknown[] = [];

  async function boot(name: string): Promise<void> {
    try {
      const metadata = { annotations: { [bootKey]: bootIDs.after } };
      await client.merge(resourceTypes.node, { namespace: '', name }, { metadata });
    } catch (thrown) {
      errors.push(thrown);
    }
  }

  const reflector = Reflector.start<GitalyMaintenance>({
    client,
    type: resourceTypes.maintenance,
    selection: {},
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    onChange({ object }) {
      for (const { name, phase } of object.status?.nodes ?? []) {
        if (phase !== 'Cleared' || booted.has(name)) continue;
        booted.add(name);
        void boot(name);
      }
    },
  });
  await reflector.synced;
  return {
    get isDone() {
      if (errors.length > 0) throw new AggregateError(errors, 'nodes could not be booted');
      const all = reflector.store.list();
      return all.length > 0 && all.every(({ status }) => status?.phase === 'Completed');
    },
    stop: () => reflector.stop(),
  };
}
