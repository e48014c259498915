import { backoffDelayMs, type BackoffPolicy } from '../base/backoff.ts';
import { sleep, type Clock } from '../base/clock.ts';
import { deferred } from '../base/deferred.ts';
import { assertNever, errorMessage } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import type { Stoppable } from '../base/scope.ts';
import type { KubeObject } from '../api/kubernetes.ts';
import type { KubeClient, Selection } from './kube-client.ts';
import { isKubeError } from './kube-error.ts';
import { linkAbort } from './linked-abort.ts';
import { ObjectStore, type ReadonlyObjectStore, type StoreChange } from './object-store.ts';
import type { ResourceType } from './resource-types.ts';
import { parseWatchEvent, type WatchEvent } from './watch-event.ts';

/** What a reflector needs. */
export interface ReflectorOptions<T extends KubeObject> {
  readonly client: Pick<KubeClient, 'list' | 'watch'>;
  readonly type: ResourceType<T>;
  readonly selection: Selection;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Told of each change after the store has it. What it throws is logged. */
  readonly onChange: (change: StoreChange<T>) => void;
  /** Default: 0.5 s to 30 s. */
  readonly backoff?: BackoffPolicy;
  /**
   * A watch that is silent for longer is opened anew: a connection can die without a sign. Default 3
   * minutes; an API server sends a bookmark about every minute.
   */
  readonly stallMs?: number;
  /**
   * Whether the API server may not know the kind, as its CRD is not applied (yet). Then there are none of it, and it
   * is asked again. Default: false, which waits for the kind before it is synced.
   */
  readonly mayBeUnknown?: boolean;
}

const pageSize = 500;
const defaultBackoff: BackoffPolicy = { initialMs: 500, maxMs: 30_000 };
const defaultStallMs = 180_000;
/** After so many failures in a row, the version that was reached is not trusted any more. */
const failuresBeforeRelist = 3;

/** Why a watch ended. */
type WatchEnd =
  | { readonly kind: 'closed' }
  | { readonly kind: 'failed'; readonly message: string; readonly relist: boolean };

/**
 * Keeps a copy of the objects of a kind up to date, whatever happens to the connection.
 *
 * 1. List everything, page by page, and replace the store by it; changes against it are told.
 * 2. Watch from the list's version on, with bookmarks, for a random 5 to 10 minutes so that not all
 *    watches end at once. Every event, bookmarks too, moves the version on.
 * 3. The server closed the watch after it told something: watch again at once, from the last version.
 * 4. It closed without a word, failed, fell silent or could not be opened: wait, longer each time in a
 *    row, then watch again from the last version; after three failures in a row go back to 1.
 * 5. The version has expired (410), or a line made no sense: wait as in 4, then go back to 1.
 * 6. The API server does not know the kind, and need not: that counts as a list, and what is in the store stays. Wait as
 *    in 4, then go back to 1.
 *
 * No failure ends it; only `stop` does.
 */
export class Reflector<T extends KubeObject> implements Stoppable {
  /** Resolves when the first list is in the store; never rejects. */
  readonly synced: Promise<void>;
  readonly #options: ReflectorOptions<T>;
  readonly #logger: Logger;
  readonly #store = new ObjectStore<T>();
  readonly #synced = deferred<void>();
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;
  #heardAtMs: number;
  #failures = 0;
  #failuresInARow = 0;

  private constructor(options: ReflectorOptions<T>) {
    this.#options = options;
    this.#logger = options.logger.child({ component: 'reflector', kind: options.type.kind });
    this.#heardAtMs = options.clock.monotonicMs();
    this.synced = this.#synced.promise;
    this.#running = this.#run();
  }

  static start<T extends KubeObject>(options: ReflectorOptions<T>): Reflector<T> {
    return new Reflector(options);
  }

  get store(): ReadonlyObjectStore<T> {
    return this.#store;
  }

  /** How often it had to wait after a failure. */
  get failures(): number {
    return this.#failures;
  }

  /** Milliseconds since the API server was last heard of, for health checks and metrics. */
  silentMs(): number {
    return this.#options.clock.monotonicMs() - this.#heardAtMs;
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error('stopped'));
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        await this.#watchFrom(await this.#list());
      } catch (failure) {
        if (signal.aborted) return;
        await this.#pause(
          this.#isUnknownKind(failure) ? this.#noteUnknown() : errorMessage(failure),
        );
      }
    }
  }

  #isUnknownKind(failure: unknown): boolean {
    return this.#options.mayBeUnknown === true && isKubeError(failure, 404);
  }

  /** Objects that the store has did not go unseen: before their kind goes, a watch tells of the end of each. */
  #noteUnknown(): string {
    this.#heard();
    this.#synced.resolve();
    return `the API server does not know the kind ${this.#options.type.kind}: apply its CRD`;
  }

  async #list(): Promise<string> {
    const { client, type, selection } = this.#options;
    const items: T[] = [];
    let continueToken: string | undefined;
    for (;;) {
      const page = await client.list(type, {
        ...selection,
        limit: pageSize,
        ...(continueToken !== undefined && { continueToken }),
        signal: this.#stopping.signal,
      });
      this.#heard();
      items.push(...page.items);
      continueToken = page.continueToken;
      if (continueToken !== undefined) continue;
      for (const change of this.#store.replace(items)) this.#tell(change);
      this.#synced.resolve();
      return page.resourceVersion;
    }
  }

  /** Watches again and again; returns when a new list is needed. */
  async #watchFrom(listedVersion: string): Promise<void> {
    let version = listedVersion;
    while (!this.#stopping.signal.aborted) {
      const end = await this.#watchOnce(version, (reached) => {
        version = reached;
      });
      if (end.kind === 'closed') continue;
      await this.#pause(end.message);
      if (end.relist || this.#failuresInARow >= failuresBeforeRelist) return;
    }
  }

  async #watchOnce(from: string, moveTo: (version: string) => void): Promise<WatchEnd> {
    const { client, type, selection, random } = this.#options;
    const link = linkAbort(this.#stopping.signal);
    const stall = this.#stallTimer((reason) => link.abort(reason));
    let told = false;
    try {
      const lines = await client.watch(type, {
        ...selection,
        resourceVersion: from,
        timeoutSeconds: Math.round(300 * (1 + random.next())),
        signal: link.signal,
      });
      for await (const line of lines) {
        this.#heard();
        stall.restart();
        const end = this.#take(parseWatchEvent<T>(line), moveTo);
        if (end) return end;
        told = true;
        this.#failuresInARow = 0;
      }
      return told
        ? { kind: 'closed' }
        : { kind: 'failed', message: 'the watch closed without a word', relist: false };
    } catch (failure) {
      return { kind: 'failed', message: errorMessage(failure), relist: isKubeError(failure, 410) };
    } finally {
      stall.cancel();
      link.release();
    }
  }

  /** Takes an event in; returns how the watch ends if it cannot go on. */
  #take(event: WatchEvent<T>, moveTo: (version: string) => void): WatchEnd | undefined {
    switch (event.kind) {
      case 'added':
      case 'modified':
        this.#tell(this.#store.put(event.object));
        moveTo(event.object.metadata.resourceVersion ?? '');
        return undefined;
      case 'deleted':
        this.#tell(this.#store.delete(event.object));
        moveTo(event.object.metadata.resourceVersion ?? '');
        return undefined;
      case 'bookmark':
        moveTo(event.resourceVersion);
        return undefined;
      case 'expired':
        return { kind: 'failed', message: 'the version has expired', relist: true };
      case 'failure':
        return { kind: 'failed', message: event.message, relist: true };
      case 'garbage':
        return { kind: 'failed', message: 'a line of the watch made no sense', relist: true };
      default:
        return assertNever(event);
    }
  }

  #tell(change: StoreChange<T> | undefined): void {
    if (!change) return;
    try {
      this.#options.onChange(change);
    } catch (failure) {
      this.#logger.error({ err: failure }, 'a change could not be handled');
    }
  }

  /** Waits before the next attempt; returns early when it is stopped. */
  async #pause(reason: string): Promise<void> {
    const { backoff = defaultBackoff, clock, random } = this.#options;
    const { signal } = this.#stopping;
    if (signal.aborted) return;
    this.#failures += 1;
    this.#failuresInARow += 1;
    const delayMs = Math.round(backoffDelayMs(backoff, this.#failuresInARow, random));
    this.#logger.warn({ reason, delayMs }, 'the API server is asked again after a pause');
    await sleep(clock, delayMs, signal).catch(() => {});
  }

  #stallTimer(abort: (reason: Error) => void) {
    const { clock, stallMs = defaultStallMs } = this.#options;
    const start = () =>
      clock.after(stallMs, () => abort(new Error(`the watch was silent for ${stallMs} ms`)));
    let timer = start();
    return {
      restart() {
        timer.cancel();
        timer = start();
      },
      cancel: () => timer.cancel(),
    };
  }

  #heard(): void {
    this.#heardAtMs = this.#options.clock.monotonicMs();
  }
}
