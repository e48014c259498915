import { statusCodes } from '../../src/rpc/status.ts';
import { inSyncVoters } from '../../src/proxy/routing/repository-record.ts';
import { key, type Cluster } from './cluster.ts';
import type { WriteRequest } from './simulated-storage.ts';

interface Write {
  readonly request: WriteRequest;
  readonly startedMs: number;
  acknowledgedMs: number | undefined;
}

/** What the clients did and were told, and what has to be true because of that. */
export class History {
  readonly #cluster: Cluster;
  readonly #writes: Write[] = [];

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  get acknowledged(): readonly WriteRequest[] {
    return this.#acknowledged.map(({ request }) => request);
  }

  get #acknowledged(): readonly Write[] {
    return this.#writes.filter(({ acknowledgedMs }) => acknowledgedMs !== undefined);
  }

  /** A client sends `request`. Returns what is to be called with its answer. */
  started(request: WriteRequest): (code: number) => void {
    const { timeline } = this.#cluster;
    const write: Write = {
      request,
      startedMs: timeline.monotonicMs(),
      acknowledgedMs: undefined,
    };
    this.#writes.push(write);
    return (code) => {
      if (code !== statusCodes.OK) return;
      write.acknowledgedMs = timeline.monotonicMs();
      this.checkReads();
    };
  }

  /** I4: wherever a proxy would read now, everything acknowledged is there. */
  checkReads(): void {
    for (const proxy of this.#cluster.proxies) {
      const record = proxy.recordForReads(key);
      if (record === undefined) continue;
      for (const storage of inSyncVoters(record)) {
        const missing = this.#missingOn(storage);
        if (missing !== undefined) {
          throw new Error(
            `${proxy.name} reads from ${storage}, which does not hold ${missing}, acknowledged`,
          );
        }
      }
    }
  }

  /** After repair: I3, and that nothing acknowledged was lost. */
  checkEnd(): void {
    const { record } = this.#cluster;
    const inSync = inSyncVoters(record);
    if (!inSync.includes(record.primary)) throw new Error('the primary is not in sync');
    const contents = inSync.map((storage) => this.#cluster.storage(storage).contents());
    if (new Set(contents).size > 1) {
      throw new Error(`in-sync replicas differ:\n${contents.join('\n')}`);
    }
    for (const storage of inSync) {
      const missing = this.#missingOn(storage);
      if (missing !== undefined) throw new Error(`${storage} has lost ${missing}, acknowledged`);
    }
  }

  /** An acknowledged change that a storage should hold and does not. */
  #missingOn(name: string): string | undefined {
    const { refs } = this.#cluster.storage(name);
    for (const write of this.#acknowledged) {
      for (const { ref, value } of write.request.changes) {
        const held = refs.get(ref);
        if (held !== value && !this.#mayBeReplacedBy(held, ref, write)) return `${ref}=${value}`;
      }
    }
    return undefined;
  }

  /** Whether another value of the same reference may come after that of `write`. */
  #mayBeReplacedBy(value: string | undefined, ref: string, write: Write): boolean {
    const other = this.#writes.find(({ request }) =>
      request.changes.some((change) => change.ref === ref && change.value === value),
    );
    if (other === undefined) return false;
    return (other.acknowledgedMs ?? Infinity) > write.startedMs;
  }
}
