import { pino } from 'pino';

/** Lines wait until there is so much, or so long. A write for each line would cost more than its call. */
const batchBytes = 64 * 1024;
const batchMs = 100;
/** What waits at most while nobody reads the log; then lines are dropped. */
const maxWaitingBytes = 16 * 1024 * 1024;

/**
 * A proxy's log: JSON, a line each, on standard output, a tenth of a second late at most. What waits
 * is written when the process exits. `level` is one of pino's; default info.
 */
export function createProxyLogger(level = 'info'): pino.Logger {
  const destination = pino.destination({
    dest: 1,
    sync: false,
    minLength: batchBytes,
    maxWrite: 2 * batchBytes,
    maxLength: maxWaitingBytes,
    periodicFlush: batchMs,
  });
  return pino({ level, base: { component: 'proxy' } }, destination);
}
