import { pino } from 'pino';

/** A proxy's log: JSON, a line each, on standard output. `level` is one of pino's; default info. */
export function createProxyLogger(level = 'info'): pino.Logger {
  return pino({ level, base: { component: 'proxy' } });
}
