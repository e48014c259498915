import { inspect } from 'node:util';
import type { Logger } from '../../src/base/logger.ts';

/** Keeps each line as text, with all that its fields hold, however deep. */
export class RecordingLogger implements Logger {
  readonly lines: string[];
  readonly #context: object;

  constructor(context: object = {}, lines: string[] = []) {
    this.#context = context;
    this.lines = lines;
  }

  debug(fields: object, message: string): void {
    this.#keep(fields, message);
  }

  info(fields: object, message: string): void {
    this.#keep(fields, message);
  }

  warn(fields: object, message: string): void {
    this.#keep(fields, message);
  }

  error(fields: object, message: string): void {
    this.#keep(fields, message);
  }

  child(fields: object): Logger {
    return new RecordingLogger({ ...this.#context, ...fields }, this.lines);
  }

  #keep(fields: object, message: string): void {
    const all = { ...this.#context, ...fields, message };
    this.lines.push(inspect(all, { depth: 20, showHidden: true }));
  }
}
