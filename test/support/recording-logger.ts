import { inspect } from 'node:util';
import type { Logger } from '../../src/base/logger.ts';

/** One line, as it was given to the logger. */
export interface LogEntry {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly fields: Readonly<Record<string, unknown>>;
  readonly message: string;
}

/** Keeps each line, and also as text, with all that its fields hold, however deep. */
export class RecordingLogger implements Logger {
  readonly lines: string[];
  readonly entries: LogEntry[];
  readonly #context: object;

  constructor(context: object = {}, lines: string[] = [], entries: LogEntry[] = []) {
    this.#context = context;
    this.lines = lines;
    this.entries = entries;
  }

  debug(fields: object, message: string): void {
    this.#keep('debug', fields, message);
  }

  info(fields: object, message: string): void {
    this.#keep('info', fields, message);
  }

  warn(fields: object, message: string): void {
    this.#keep('warn', fields, message);
  }

  error(fields: object, message: string): void {
    this.#keep('error', fields, message);
  }

  child(fields: object): Logger {
    return new RecordingLogger({ ...this.#context, ...fields }, this.lines, this.entries);
  }

  #keep(level: LogEntry['level'], fields: object, message: string): void {
    const all = { ...this.#context, ...fields };
    this.entries.push({ level, fields: all, message });
    this.lines.push(inspect({ ...all, message }, { depth: 20, showHidden: true }));
  }
}
