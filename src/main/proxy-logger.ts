import { pino } from 'pino';
import { systemClock } from '../base/clock.ts';
import { BatchedOutput } from './batched-output.ts';

const standardOutput = 1;

/**
 * A proxy's log: JSON, a line each, on standard output, see {@link BatchedOutput}. What waits is
 * written when the process exits. `level` is one of pino's; default info.
 */
export function createProxyLogger(level = 'info'): pino.Logger {
  const output = new BatchedOutput({ fd: standardOutput, clock: systemClock });
  process.once('exit', () => output.flushSync());
  return pino({ level, base: { component: 'proxy' } }, output);
}
