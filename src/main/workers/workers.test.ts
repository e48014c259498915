import { describe, expect, test } from '@jest/globals';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { RecordingLogger } from '../../../test/support/recording-logger.ts';
import { deferred } from '../../base/deferred.ts';
import type { ToWorker } from './messages.ts';
import type { WorkerEnd } from './worker-process.ts';
import { Workers, type Worker } from './workers.ts';

/** A worker that does what the test says. */
class PretendedWorker implements Worker {
  readonly number: number;
  readonly told: ToWorker['kind'][] = [];
  hasServed = false;
  readonly #end = deferred<WorkerEnd>();

  constructor(number: number) {
    this.number = number;
  }

  get ended(): Promise<WorkerEnd> {
    return this.#end.promise;
  }

  end(code: number | null): void {
    this.#end.resolve({ code, signal: code === null ? 'SIGKILL' : null });
  }

  tell({ kind }: ToWorker): void {
    this.told.push(kind);
  }

  kill(): void {
    this.end(null);
  }
}

async function startTwo() {
  const clock = new ManualClock();
  const logger = new RecordingLogger();
  const started: PretendedWorker[] = [];
  const workers = new Workers({
    count: 2,
    start: (number) => {
      const worker = new PretendedWorker(number);
      started.push(worker);
      return worker;
    },
    onEnded() {},
    clock,
    random: { next: () => 0.5 },
    logger,
  });
  workers.start();
  const [first, second] = started;
  if (first === undefined || second === undefined) throw new Error('they were not started');
  return { clock, logger, started, workers, first, second };
}

describe('workers', () => {
  test('are started again, later each time, while the others run on', async () => {
    const { clock, started, workers, first, second } = await startTwo();
    first.hasServed = true;
    first.end(null);
    await clock.advance(199);
    expect(started).toHaveLength(2);
    await clock.advance(1);
    expect(started.map(({ number }) => number)).toEqual([1, 2, 1]);
    started.at(-1)?.end(1);
    await clock.advance(399);
    expect(started).toHaveLength(3);
    await clock.advance(1);
    expect(started).toHaveLength(4);
    expect(workers.restarts).toBe(2);
    expect(workers.running).toEqual([started[3], second]);
  });

  test('that have lived long are started again as soon as the first time', async () => {
    const { clock, started, first } = await startTwo();
    first.hasServed = true;
    first.end(null);
    await clock.advance(200);
    await clock.advance(60_000);
    started.at(-1)?.end(null);
    await clock.advance(200);
    expect(started).toHaveLength(4);
  });

  test('that end before any has served show that the configuration is wrong', async () => {
    const { workers, second } = await startTwo();
    second.end(1);
    await expect(workers.failed).rejects.toThrow('worker 2 could not start');
    expect(workers.restarts).toBe(0);
  });

  test('that are killed before any has served are started again', async () => {
    const { clock, started, second } = await startTwo();
    second.end(null);
    await clock.advance(200);
    expect(started).toHaveLength(3);
  });

  test('are all told to stop, and not started again', async () => {
    const { clock, started, workers, first, second } = await startTwo();
    first.hasServed = true;
    const stopped = workers.stop();
    workers.hurry();
    expect([first.told, second.told]).toEqual([
      ['stop', 'hurry'],
      ['stop', 'hurry'],
    ]);
    first.end(0);
    // It was told so before it had served: that is no failure.
    second.end(1);
    expect(await stopped).toBe(true);
    await clock.advance(60_000);
    expect(started).toHaveLength(2);
  });

  test('tell when one did not stop in order', async () => {
    const { workers, first, second } = await startTwo();
    first.hasServed = true;
    const stopped = workers.stop();
    first.end(1);
    second.end(0);
    expect(await stopped).toBe(false);
  });
});
