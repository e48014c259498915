import { statusCodes } from '../../rpc/status.ts';
import { readTarget } from '../routing/first-message.ts';
import type { FieldPath, MethodInfo } from '../routing/method-table.ts';
import type { RelayContext } from './context.ts';
import { LocalCallError } from './local-method.ts';
import type { ServerCall } from './server-call.ts';

/** How many names are told; clients may make them up. */
const maxNames = 100;
/** The first field, or that of a header which is the first field: where the known methods have it. */
const usualTargets: readonly FieldPath[] = [[1], [1, 1]];

/** Finds out what can be found out of methods that this version does not know. */
export class UnknownMethods {
  readonly #context: Pick<RelayContext, 'storages' | 'metrics' | 'logger'>;
  readonly #told = new Set<string>();

  constructor(context: Pick<RelayContext, 'storages' | 'metrics' | 'logger'>) {
    this.#context = context;
  }

  /**
   * The method with the place where this call names its repository. Counts the call, and logs the
   * method once.
   *
   * @throws LocalCallError UNIMPLEMENTED if the call names none
   */
  locate(call: ServerCall, unknown: MethodInfo): MethodInfo {
    for (const target of usualTargets) {
      const method = { ...unknown, target };
      const found = readTarget(call.firstMessage, method);
      if (found.kind === 'ok' && this.#context.storages.get(found.storage) !== undefined) {
        this.#note(method.name);
        return method;
      }
    }
    throw new LocalCallError(
      statusCodes.UNIMPLEMENTED,
      `unknown method ${unknown.name}, and it names no repository of a virtual storage`,
    );
  }

  #note(method: string): void {
    const { metrics, logger } = this.#context;
    metrics.unknownMethodCalled();
    if (this.#told.has(method) || this.#told.size >= maxNames) return;
    this.#told.add(method);
    logger.warn({ method }, 'this version does not know the method, and carries it out as a write');
  }
}
