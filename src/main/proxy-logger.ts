import { pino } from 'pino';
import { systemClock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import { BatchedOutput } from './batched-output.ts';
import { formatLine, type FlatFields } from './flat-line.ts';

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

/** A proxy's log. */
interface ProxyLog {
  readonly logger: pino.Logger;
  /** For the lines of the calls, whose fields are flat: it writes the same, and faster. */
  readonly callLogger: Logger;
}

/** A proxy's log: JSON, a line each. */
export function createProxyLogger(options: ProxyLogOptions): ProxyLog {
  const { output, level = 'info', worker } = options;
  const base = { component: 'proxy', ...(worker === undefined ? {} : { worker }) };
  const logger = pino({ level, base }, output);
  if (!logger.isLevelEnabled('info')) return { logger, callLogger: logger };
  const baseText = JSON.stringify(base).slice(1, -1);
  const callLogger: Logger = {
    debug: (fields, message) => logger.debug(fields, message),
    info(fields, message) {
      const head = `{"level":${infoLevel},"time":${systemClock.wallMs()},${baseText}`;
      output.writeAscii(formatLine(head, fields as FlatFields, message));
    },
    warn: (fields, message) => logger.warn(fields, message),
    error: (fields, message) => logger.error(fields, message),
    child: (fields) => logger.child(fields),
  };
  return { logger, callLogger };
}

const infoLevel = pino.levels.values['info'] ?? 30;
