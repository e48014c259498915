import { pino } from 'pino';
import { systemClock } from '../base/clock.ts';
import { BatchedOutput } from './batched-output.ts';

const standardOutput = 1;

/** Standard output, see {@link BatchedOutput}. What waits is written when the process exits. */
export function openLogOutput(): BatchedOutput {
  const output = new BatchedOutput({ fd: standardOutput, clock: systemClock });
  process.once('exit', () => output.flushSync());
  return output;
}

/** Where a proxy's lines go, and which they are. */
export interface ProxyLogOptions {
  readonly output: BatchedOutput;
  /** One of pino's. Default info. */
  readonly level?: string | undefined;
  /** Which worker of its pod it is, if there are several. */
  readonly worker?: number | undefined;
}

/** A proxy's log: JSON, a line each. */
export function createProxyLogger(options: ProxyLogOptions): pino.Logger {
  const { output, level = 'info', worker } = options;
  const base = { component: 'proxy', ...(worker === undefined ? {} : { worker }) };
  return pino({ level, base }, output);
}
