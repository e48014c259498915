import { fileURLToPath } from 'node:url';
import { systemClock } from '../../base/clock.ts';
import { silentLogger, type Logger } from '../../base/logger.ts';
import { systemRandom } from '../../base/random.ts';
import type { ConnectionSource } from './connection.ts';
import type { ControlStore } from './control-store.ts';
import { migratePostgres, type MigrateOptions } from './migrate.ts';
import { connectPostgresStore, type PostgresStoreOptions } from './postgres-store.ts';

/** Where the migrations are in the source. */
const migrationsDirectory = fileURLToPath(new URL('migrations', import.meta.url));

/** Migrates a test's database. */
export function migrate(
  connection: ConnectionSource,
  options: Partial<MigrateOptions> = {},
): Promise<void> {
  return migratePostgres({
    connection,
    clock: systemClock,
    logger: silentLogger,
    directory: migrationsDirectory,
    ...options,
  });
}

/** Tests are not about the limits of calls, unless they set some, and machines may be busy. */
export const patientLimits = { connectMs: 20_000, callMs: 20_000, listMs: 120_000 };

/** Connects a store to a test's database. */
export function connect(
  connection: ConnectionSource,
  options: Partial<PostgresStoreOptions> = {},
): Promise<ControlStore> {
  return connectPostgresStore({
    connection,
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    limits: patientLimits,
    ...options,
  });
}

/** Keeps what is logged. */
export class LogRecorder implements Logger {
  readonly lines: {
    readonly level: 'debug' | 'info' | 'warn' | 'error';
    readonly fields: object;
    readonly message: string;
  }[] = [];

  debug(fields: object, message: string): void {
    this.lines.push({ level: 'debug', fields, message });
  }
  info(fields: object, message: string): void {
    this.lines.push({ level: 'info', fields, message });
  }
  warn(fields: object, message: string): void {
    this.lines.push({ level: 'warn', fields, message });
  }
  error(fields: object, message: string): void {
    this.lines.push({ level: 'error', fields, message });
  }
  child(): Logger {
    return this;
  }
}
