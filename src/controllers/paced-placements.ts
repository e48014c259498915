import type { Clock } from '../base/clock.ts';
import type { ObjectName } from '../kube/resource-types.ts';
import type { ObservedPlacements } from '../reconcilers/rollout/roll-observation.ts';
import { keyOf } from './cluster-key.ts';
import type { PlacementSource } from './placement-source.ts';

/** Of the time, no more than one part in so many goes into lists: while a group waits, each look would ask for one. */
const restFactor = 5;

/** Asks where the repositories of clusters are, and lets their databases rest in between. */
export class PacedPlacements {
  readonly #source: PlacementSource;
  readonly #clock: Clock;
  /** By cluster: when it may be asked again. */
  readonly #restsUntilMs = new Map<string, number>();

  constructor({ source, clock }: { readonly source: PlacementSource; readonly clock: Clock }) {
    this.#source = source;
    this.#clock = clock;
  }

  /** As {@link PlacementSource}; undefined if it was asked a moment ago, which says nothing of how things are now. */
  async list(
    cluster: ObjectName,
    ...request: Parameters<PlacementSource['list']>
  ): Promise<ObservedPlacements | undefined> {
    const key = keyOf(cluster);
    const begunMs = this.#clock.monotonicMs();
    if (begunMs < (this.#restsUntilMs.get(key) ?? 0)) return undefined;
    const answer = await this.#source.list(...request);
    const endedMs = this.#clock.monotonicMs();
    this.#restsUntilMs.set(key, endedMs + (restFactor - 1) * (endedMs - begunMs));
    return answer;
  }

  /** Knows nothing of a cluster any more, which is gone. */
  forget(cluster: ObjectName): void {
    this.#restsUntilMs.delete(keyOf(cluster));
  }
}
