import { EventEmitter } from 'node:events';
import { describe, expect, test } from '@jest/globals';
import { deferred } from '../base/deferred.ts';
import { silentLogger } from '../base/logger.ts';
import { ordersFromSignals, serveUntilTold } from './stop-orders.ts';

/** A server whose stop ends when the test says so. */
function serving() {
  const signals = new EventEmitter() as EventEmitter & Pick<NodeJS.Process, 'on'>;
  const orders = ordersFromSignals(signals);
  const stopped = deferred<void>();
  const done: string[] = [];
  const code = serveUntilTold({
    start: async () => ({
      stop() {
        done.push('stop');
        return stopped.promise;
      },
      stopNow() {
        done.push('stop now');
        return stopped.promise;
      },
    }),
    orders,
    limitMs: 60_000,
    logger: silentLogger,
  });
  const turn = () => new Promise(setImmediate);
  return { signals, stopped, done, code, turn };
}

describe('a process that serves', () => {
  test('stops at the first signal, and hurries at the second', async () => {
    const { signals, stopped, done, code, turn } = serving();
    await turn();
    expect(done).toEqual([]);
    signals.emit('SIGTERM', 'SIGTERM');
    await turn();
    expect(done).toEqual(['stop']);
    signals.emit('SIGINT', 'SIGINT');
    await turn();
    expect(done).toEqual(['stop', 'stop now']);
    stopped.resolve();
    expect(await code).toBe(0);
  });

  test('tells by its exit code that it did not stop in order', async () => {
    const { signals, stopped, code } = serving();
    signals.emit('SIGTERM', 'SIGTERM');
    stopped.reject(new Error('the database does not answer'));
    expect(await code).toBe(1);
  });
});
