import { describe, expect, test } from '@jest/globals';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { deferred, type Deferred } from '../../base/deferred.ts';
import { silentLogger } from '../../base/logger.ts';
import { HealthMonitor } from './monitor.ts';

/** A storage that answers checks when it is told to. */
function setUp() {
  const clock = new ManualClock();
  const checks: Deferred<boolean>[] = [];
  const hung: { readonly atMs: number; readonly reason: string }[] = [];
  let receivedBytes = 0;
  let answers = true;
  const monitor = new HealthMonitor({
    storage: 'gitaly-0',
    check() {
      const check = deferred<boolean>();
      checks.push(check);
      if (answers) {
        receivedBytes += 10;
        check.resolve(true);
      }
      return check.promise;
    },
    receivedBytes: () => receivedBytes,
    onHung: (reason) => hung.push({ atMs: clock.monotonicMs(), reason }),
    clock,
    logger: silentLogger,
  });
  monitor.start();
  return {
    clock,
    monitor,
    checks,
    hung,
    send: () => (receivedBytes += 1),
    setAnswers: (value: boolean) => (answers = value),
  };
}

describe('the monitor of a storage', () => {
  test('checks it every half second, and at once when it is connected', async () => {
    const { clock, monitor, checks } = setUp();
    monitor.connected();
    await clock.advance(0);
    expect(monitor.health.kind).toBe('healthy');
    await clock.advance(5000);
    expect(checks).toHaveLength(11);
    await monitor.stop();
  });

  test.each([0, 100, 250, 260, 499])(
    'gives it up in 2 to 2.5 s when it falls silent %i ms after a check',
    async (afterMs) => {
      const { clock, monitor, hung, setAnswers } = setUp();
      await clock.advance(5000 + afterMs);
      setAnswers(false);
      const silentAtMs = clock.monotonicMs();
      await clock.advance(10_000);
      expect(monitor.health.kind).toBe('unhealthy');
      const tookMs = (hung[0]?.atMs ?? 0) - silentAtMs;
      expect(tookMs).toBeGreaterThanOrEqual(2000);
      expect(tookMs).toBeLessThanOrEqual(2500);
      await monitor.stop();
    },
  );

  test.each([100, 300, 600])(
    'asks once in the half second after an answer that comes %i ms late',
    async (lateMs) => {
      const { clock, monitor, checks, setAnswers } = setUp();
      await clock.advance(5000);
      setAnswers(false);
      await clock.advance(500 + lateMs);
      const before = checks.length;
      checks.at(-1)?.resolve(true);
      await clock.advance(499);
      expect(checks).toHaveLength(before + 1);
      await monitor.stop();
    },
  );

  test('keeps one that is too busy to answer and still sends, and asks it no second time', async () => {
    const { clock, monitor, checks, hung, send, setAnswers } = setUp();
    await clock.advance(5000);
    setAnswers(false);
    const before = checks.length;
    for (let second = 0; second < 9; second++) {
      await clock.advance(1000);
      send();
    }
    expect(monitor.health.kind).toBe('healthy');
    expect(checks).toHaveLength(before + 1);
    checks.at(-1)?.resolve(true);
    setAnswers(true);
    await clock.advance(60_000);
    expect(monitor.health.kind).toBe('healthy');
    expect(hung).toEqual([]);
    await monitor.stop();
  });

  test('gives up one that sends and never answers, after 10 s', async () => {
    const { clock, monitor, hung, send, setAnswers } = setUp();
    await clock.advance(5000);
    setAnswers(false);
    for (let round = 0; round < 60; round++) {
      await clock.advance(250);
      send();
    }
    expect(monitor.health.kind).toBe('unhealthy');
    expect(hung).toEqual([{ atMs: 5500 + 10_000, reason: expect.stringContaining('40 rounds') }]);
    await monitor.stop();
  });

  test('gives up one whose checks are refused, and takes it back', async () => {
    const { clock, monitor, checks, setAnswers } = setUp();
    await clock.advance(5000);
    setAnswers(false);
    for (let count = 0; count < 3; count++) {
      await clock.advance(500);
      checks.at(-1)?.reject(new Error('UNAVAILABLE'));
    }
    await clock.advance(0);
    expect(monitor.health).toMatchObject({ kind: 'unhealthy', reason: 'UNAVAILABLE' });
    setAnswers(true);
    await clock.advance(1000);
    expect(monitor.health.kind).toBe('healthy');
    await monitor.stop();
  });

  test('blames nobody for the time in which this process stood still', async () => {
    const { clock, monitor, hung, setAnswers, checks } = setUp();
    await clock.advance(5000);
    setAnswers(false);
    await clock.advance(500);
    // Late by an hour: what was received meanwhile is only read after this round.
    clock.standStill(3_600_000);
    await clock.advance(0);
    checks.at(-1)?.resolve(true);
    setAnswers(true);
    await clock.advance(5000);
    expect(monitor.health.kind).toBe('healthy');
    expect(hung).toEqual([]);
    await monitor.stop();
  });
});
