import { describe, expect, it } from '@jest/globals';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { recordWith, replica } from '../../../test/support/repository-records.ts';
import type { Clock } from '../../base/clock.ts';
import { deferred } from '../../base/deferred.ts';
import { silentLogger } from '../../base/logger.ts';
import type { RepositoryRecord } from '../routing/repository-record.ts';
import type { ControlStore } from '../store/control-store.ts';
import { createMemoryStore } from '../store/memory-store.ts';
import { RepositoryView } from './repository-view.ts';

async function startViewOn(store: ControlStore, clock: Clock): Promise<RepositoryView> {
  const outage = { failed() {}, worked() {} };
  const view = new RepositoryView({ store, owner: 'p', clock, logger: silentLogger, outage });
  await view.start();
  return view;
}

function startView(): Promise<RepositoryView> {
  const clock = new ManualClock();
  return startViewOn(createMemoryStore({ clock }), clock);
}

/** A view that hears nothing of its store by itself. */
async function startDeafView() {
  const clock = new ManualClock();
  const store = Object.assign(createMemoryStore({ clock }), {
    watch: async () => ({ stop: async () => {} }),
  });
  return { view: await startViewOn(store, clock), store };
}

/** Holds the answer to the next change back: `swapped` resolves when it is asked for. */
function delayedSwap(store: ControlStore) {
  const asked = deferred<void>();
  const answered = deferred<void>();
  Object.assign(store, {
    async compareAndSwap(next: RepositoryRecord) {
      asked.resolve();
      await answered.promise;
      return { kind: 'swapped', record: { ...next, version: next.version + 1n } };
    },
  });
  return { swapped: asked.promise, answer: () => answered.resolve() };
}

describe('what a proxy knows of a repository', () => {
  it('is not what the store said before the proxy took note of a replica that is behind', async () => {
    const view = await startView();
    const before = recordWith();
    const replicas = [replica('a', before.lsn), replica('b', before.lsn - 1n)];
    const after = { ...before, version: before.version + 1n, replicas };
    view.onChanged(after);
    // The answer to a compare-and-swap, which was under way meanwhile.
    view.learn(before);
    expect(view.peek(before)).toBeUndefined();
    view.learn(after);
    expect(view.peek(before)).toBe(after);
  });

  it('is that of a repository that was made anew, however young it is', async () => {
    const view = await startView();
    const before = recordWith();
    view.onRemoved(before.id, before, before.version + 1n);
    const anew = { ...before, id: before.id + 1n, version: 1n };
    view.learn(anew);
    expect(view.peek(before)).toBe(anew);
  });

  it('is no older than a record that somebody has in hand', async () => {
    const view = await startView();
    const older = recordWith();
    const newer = { ...older, version: older.version + 1n };
    expect(view.latest(newer)).toBe(newer);
    // An answer of the store that was under way for long, after a gap.
    view.learn(older);
    expect(view.latest(newer)).toBe(newer);
    view.learn({ ...newer, version: newer.version + 1n });
    expect(view.latest(newer).version).toBe(newer.version + 1n);
    expect(view.latest({ ...older, id: older.id + 1n }).id).toBe(older.id + 1n);
  });

  it('is not the answer to a change that is older than what was pushed before it came', async () => {
    const { view, store } = await startDeafView();
    const record = recordWith();
    const { swapped, answer } = delayedSwap(store);
    const changing = view.change(record, (current) => ({ kind: 'change', next: current }));
    await swapped;
    const newer = { ...record, version: record.version + 2n };
    view.onChanged(newer);
    answer();
    await changing;
    expect(view.peek(record)).toBe(newer);
  });

  it('is not the answer to a change that came after a gap in the pushes', async () => {
    const { view, store } = await startDeafView();
    const record = recordWith();
    const { swapped, answer } = delayedSwap(store);
    const changing = view.change(record, (current) => ({ kind: 'change', next: current }));
    await swapped;
    view.onReset();
    answer();
    await changing;
    expect(view.peek(record)).toBeUndefined();
  });
});
