import type { Clock } from '../../base/clock.ts';
import type { CallsLeft, DrainReport, DrainRequest, NewDrainRequest } from './drain-board.ts';
import { isSameStorage, type StorageKey } from './storage-identity.ts';

/** The requests for drains in a memory database: see {@link DrainBoard}. Each method is one atomic step. */
export class MemoryDrains {
  readonly #clock: Clock;
  readonly #requests = new Map<bigint, DrainRequest>();
  /** By request, then by owner. */
  readonly #reports = new Map<bigint, Map<string, readonly CallsLeft[]>>();
  #lastId = 0n;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  request(request: NewDrainRequest): void {
    const known = this.#find(request, request.requester);
    if (known !== undefined) {
      const { reason, graces } = request;
      this.#requests.set(known.id, { ...known, reason, graces });
      return;
    }
    this.#lastId += 1n;
    const { virtualStorage, storage, requester, reason, graces } = request;
    this.#requests.set(this.#lastId, {
      id: this.#lastId,
      virtualStorage,
      storage,
      requester,
      reason,
      graces,
      requestedAtMs: this.#clock.wallMs(),
    });
  }

  cancel(key: StorageKey, requester: string): void {
    const known = this.#find(key, requester);
    if (known === undefined) return;
    this.#requests.delete(known.id);
    this.#reports.delete(known.id);
  }

  list(): readonly DrainRequest[] {
    return [...this.#requests.values()];
  }

  report(owner: string, reports: readonly DrainReport[]): void {
    for (const { id, calls } of reports) {
      if (!this.#requests.has(id)) continue;
      const owners = this.#reports.get(id) ?? new Map<string, readonly CallsLeft[]>();
      this.#reports.set(id, owners.set(owner, calls));
    }
  }

  reports(): readonly (DrainReport & { readonly owner: string })[] {
    return [...this.#reports].flatMap(([id, owners]) =>
      [...owners].map(([owner, calls]) => ({ id, owner, calls })),
    );
  }

  #find(key: StorageKey, requester: string): DrainRequest | undefined {
    return this.list().find(
      (request) => isSameStorage(request, key) && request.requester === requester,
    );
  }
}
