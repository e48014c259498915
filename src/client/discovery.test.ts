import { describe, expect, test } from '@jest/globals';
import { ManualClock } from '../../test/support/manual-clock.ts';
import { silentLogger } from '../base/logger.ts';
import { Discovery } from './discovery.ts';

/** A discovery whose name server answers with whatever `answer` is at the time. */
function setUp() {
  const clock = new ManualClock();
  const changes: string[] = [];
  let answer: readonly string[] | Error | undefined = ['198.18.0.2', '198.18.0.1', '198.18.0.2'];
  let lookups = 0;
  const discovery = new Discovery({
    host: 'proxies',
    lookup() {
      lookups += 1;
      if (answer === undefined) return new Promise(() => {});
      return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
    },
    onChange: (addresses) => changes.push(addresses.join(' ')),
    clock,
    random: { next: () => 0.5 },
    logger: silentLogger,
  });
  return {
    clock,
    discovery,
    changes,
    setAnswer: (next: typeof answer) => {
      answer = next;
    },
    lookupCount: () => lookups,
  };
}

describe('a discovery', () => {
  test('reports the addresses sorted and once each', async () => {
    const { discovery, changes } = setUp();
    await discovery.refresh();
    expect(changes).toEqual(['198.18.0.1 198.18.0.2']);
    expect(discovery.addresses).toEqual(['198.18.0.1', '198.18.0.2']);
  });

  test('looks again every 10 seconds and reports only changes', async () => {
    const { clock, discovery, changes, setAnswer, lookupCount } = setUp();
    await discovery.refresh();
    await clock.advance(10_000);
    setAnswer(['198.18.0.3']);
    await clock.advance(9999);
    expect(lookupCount()).toBe(2);
    await clock.advance(1);
    expect(changes).toEqual(['198.18.0.1 198.18.0.2', '198.18.0.3']);
  });

  test('looks at once when asked to, but at most once a second', async () => {
    const { clock, discovery, changes, setAnswer, lookupCount } = setUp();
    await discovery.refresh();
    setAnswer(['198.18.0.3']);
    await discovery.refresh();
    expect(lookupCount()).toBe(1);
    await clock.advance(1000);
    await discovery.refresh();
    expect(changes.at(-1)).toBe('198.18.0.3');
  });

  test('lets all who ask during a lookup wait for the same one', async () => {
    const { discovery, lookupCount } = setUp();
    await Promise.all([discovery.refresh(), discovery.refresh()]);
    expect(lookupCount()).toBe(1);
  });

  test.each([
    ['an error', new Error('SERVFAIL')],
    ['no address', []],
    ['no answer', undefined],
  ])(
    'keeps what it knows when the name server gives %s, and asks again soon',
    async (_what, failure) => {
      const { clock, discovery, changes, setAnswer, lookupCount } = setUp();
      await discovery.refresh();
      setAnswer(failure);
      await clock.advance(10_000 + 15_000);
      expect(discovery.addresses).toEqual(['198.18.0.1', '198.18.0.2']);
      setAnswer(['198.18.0.9']);
      const before = lookupCount();
      await clock.advance(10_000);
      expect(lookupCount()).toBeGreaterThan(before);
      expect(changes).toEqual(['198.18.0.1 198.18.0.2', '198.18.0.9']);
    },
  );

  test('goes on after failures whose pause is shorter than the limit for asking', async () => {
    const { clock, discovery, setAnswer, lookupCount } = setUp();
    setAnswer(new Error('SERVFAIL'));
    await discovery.refresh();
    await clock.advance(60_000);
    // 0.5, 1, 2, 4, 8 seconds, then 10.
    expect(lookupCount()).toBe(1 + 5 + 4);
  });

  test('looks no more after it was stopped', async () => {
    const { clock, discovery, changes, setAnswer, lookupCount } = setUp();
    await discovery.refresh();
    setAnswer(['198.18.0.3']);
    await clock.advance(5000);
    const refreshing = discovery.refresh();
    await discovery.stop();
    await refreshing;
    await clock.advance(60_000);
    await discovery.refresh();
    expect(lookupCount()).toBe(2);
    expect(changes).toEqual(['198.18.0.1 198.18.0.2']);
    expect(clock.pendingCount).toBe(0);
  });
});
