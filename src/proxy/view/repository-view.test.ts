import { describe, expect, it } from '@jest/globals';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { recordWith, replica } from '../../../test/support/repository-records.ts';
import { silentLogger } from '../../base/logger.ts';
import { createMemoryStore } from '../store/memory-store.ts';
import { RepositoryView } from './repository-view.ts';

async function startView(): Promise<RepositoryView> {
  const clock = new ManualClock();
  const store = createMemoryStore({ clock });
  const outage = { failed() {}, worked() {} };
  const view = new RepositoryView({ store, owner: 'p', clock, logger: silentLogger, outage });
  await view.start();
  return view;
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
});
