import { errorMessage } from '../../src/base/errors.ts';
import { RpcError } from '../../src/rpc/rpc-error.ts';
import { statusName } from '../../src/rpc/status.ts';
import type { ChaosRepository } from './chaos-repository.ts';
import type { Read, RegisterHistory, Write } from './register-history.ts';
import type { Tally } from './tally.ts';

/** A write, before it is made. */
export interface WriteOf {
  readonly repository: ChaosRepository;
  readonly ref: string;
  readonly value: string;
  /** Who makes it. */
  readonly by: string;
  /** How. */
  readonly method: string;
}

/** A read, before it is made. */
export interface ReadOf {
  readonly repository: ChaosRepository;
  /** All references that the read tells of: what its answer lacks does not exist. */
  readonly refs: readonly string[];
  readonly by: string;
  readonly method: string;
}

/** How the text of a write's failure begins if it surely has not happened (docs/write-protocol.md). */
const refusal = 'not written: ';

/** Makes calls, and keeps what became of them. */
export class Recorder {
  readonly #history: RegisterHistory;
  readonly #tally: Tally;

  constructor(history: RegisterHistory, tally: Tally) {
    this.#history = history;
    this.#tally = tally;
  }

  /** Resolves with whether the write was acknowledged. */
  async write(of: WriteOf, write: () => Promise<void>): Promise<boolean> {
    const startMs = performance.now();
    const failure = await write().then(
      () => undefined,
      (error: unknown) => ({ error }),
    );
    const endMs = performance.now();
    const { repository, ref, value, by, method } = of;
    const told = failure === undefined ? { outcome: 'ok' as const } : toldBy(failure.error);
    const operation: Write = { kind: 'write', value, by, startMs, endMs, ...told };
    this.#history.add(repository.register(ref), operation);
    const result = failure === undefined ? 'OK' : resultOf(failure.error);
    const { relativePath } = repository;
    this.#tally.add({ kind: 'write', method, repository: relativePath, startMs, endMs, result });
    return failure === undefined;
  }

  /** Resolves with whether the read was answered. */
  async read(of: ReadOf, read: () => Promise<ReadonlyMap<string, string>>): Promise<boolean> {
    const startMs = performance.now();
    const values = await read().catch((error: unknown) => resultOf(error));
    const endMs = performance.now();
    const { repository, refs, by, method } = of;
    const result = typeof values === 'string' ? values : 'OK';
    const { relativePath } = repository;
    this.#tally.add({ kind: 'read', method, repository: relativePath, startMs, endMs, result });
    if (typeof values === 'string') return false;
    for (const ref of refs) {
      const operation: Read = { kind: 'read', value: values.get(ref), by, startMs, endMs };
      this.#history.add(repository.register(ref), operation);
    }
    return true;
  }
}

function toldBy(failure: unknown): Pick<Write, 'outcome' | 'error'> {
  const error = errorMessage(failure).trim();
  return { outcome: error.includes(refusal) ? 'refused' : 'unknown', error };
}

function resultOf(error: unknown): string {
  return error instanceof RpcError ? statusName(error.code) : 'failed';
}
