import { isDeepStrictEqual } from 'node:util';

import type { KubeObject } from '../api/kubernetes.ts';
import type { KubeClient } from './kube-client.ts';

/** An object with a status of type S. */
export type WithStatus<S> = KubeObject & { readonly status?: S };

/** Writes statuses, and only those that changed. */
export class StatusWriter<S extends object> {
  readonly #client: Pick<KubeClient, 'applyStatus'>;
  readonly #written = new Map<string, S>();

  constructor(client: Pick<KubeClient, 'applyStatus'>) {
    this.#client = client;
  }

  /**
   * The status that the object has: what was written last, also if the watch has not shown it yet.
   * Condition times are carried over from it.
   */
  latest({ metadata, status }: WithStatus<S>): S | undefined {
    return this.#written.get(metadata.uid ?? '') ?? status;
  }

  /** Writes `status` if it differs; returns whether it did. Rejects if the object was replaced. */
  async write(object: WithStatus<S>, status: S): Promise<boolean> {
    const { name, namespace, uid = '' } = object.metadata;
    const unchanged =
      isDeepStrictEqual(this.latest(object), status) && isDeepStrictEqual(object.status, status);
    if (unchanged) return false;
    await this.#client.applyStatus({
      apiVersion: object.apiVersion,
      kind: object.kind,
      // The UID makes it fail for another object of the same name.
      metadata: { name, ...(namespace !== undefined && { namespace }), uid },
      status,
    });
    this.#written.set(uid, status);
    return true;
  }

  /** Drops what is remembered of objects other than these. */
  keepOnly(objects: readonly KubeObject[]): void {
    const uids = new Set(objects.map(({ metadata }) => metadata.uid));
    for (const uid of this.#written.keys()) if (!uids.has(uid)) this.#written.delete(uid);
  }
}
