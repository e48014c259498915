import type { Clock } from '../base/clock.ts';
import type { KubeObject } from '../api/kubernetes.ts';
import type { KubeClient } from '../kube/kube-client.ts';
import { resourceTypeOf } from '../kube/resource-types.ts';
import type { ClusterContext } from '../reconcilers/cluster-context.ts';
import { ownershipOf } from '../reconcilers/ownership.ts';

/** What an applier needs. */
export interface ObjectApplierOptions {
  readonly client: Pick<KubeClient, 'get' | 'apply'>;
  readonly clock: Clock;
  /** The object as a watch last showed it; undefined if there is none or its kind is not watched. */
  readonly watched: (object: KubeObject) => KubeObject | undefined;
}

/** What came of applying an object. */
export type ApplyResult =
  | { readonly kind: 'applied' }
  /** It is as we applied it; the API server was not asked. */
  | { readonly kind: 'unchanged' }
  | { readonly kind: 'foreign'; readonly message: string };

/** So often everything is applied again, also what is not watched and seems unchanged. */
const reapplyMs = 600_000;

interface Memory {
  readonly digest: string;
  readonly version: string;
  readonly atMs: number;
}

/**
 * Applies objects, and remembers what it applied, so that looking at a cluster often costs nothing.
 *
 * An object is applied if it was not before, if what is wanted has changed, if the watched object has
 * another version than we left it with, or if the last time is ten minutes ago. Before the first time
 * an existing object is checked to be ours.
 */
export class ObjectApplier {
  readonly #options: ObjectApplierOptions;
  readonly #applied = new Map<string, Memory>();

  constructor(options: ObjectApplierOptions) {
    this.#options = options;
  }

  /** Rejects with a KubeError if the API server refuses. */
  async apply(context: ClusterContext, object: KubeObject): Promise<ApplyResult> {
    const key = memoryKey(context, object);
    const digest = context.digest(JSON.stringify(object));
    const memory = this.#applied.get(key);
    if (memory && this.#isCurrent(memory, digest, object)) return { kind: 'unchanged' };
    if (!memory) {
      const ownership = await this.#ownership(context, object);
      if (ownership.kind === 'foreign') return ownership;
    }
    const applied = await this.#options.client.apply(object);
    const atMs = this.#options.clock.monotonicMs();
    this.#applied.set(key, { digest, version: versionOf(applied), atMs });
    return { kind: 'applied' };
  }

  /** Drops what is remembered of a cluster that is gone. */
  forget(context: Pick<ClusterContext, 'namespace' | 'name'>): void {
    const prefix = clusterPrefix(context);
    for (const key of this.#applied.keys()) if (key.startsWith(prefix)) this.#applied.delete(key);
  }

  #isCurrent({ digest, version, atMs }: Memory, wanted: string, object: KubeObject): boolean {
    const { clock, watched } = this.#options;
    if (digest !== wanted || clock.monotonicMs() - atMs >= reapplyMs) return false;
    const now = watched(object);
    return now === undefined ? !isWatchedKind(object) : versionOf(now) === version;
  }

  async #ownership(context: ClusterContext, object: KubeObject) {
    const { client, watched } = this.#options;
    const name = { namespace: context.namespace, name: object.metadata.name };
    const existing = watched(object) ?? (await client.get(resourceTypeOf(object), name));
    return existing ? ownershipOf(context, existing) : ({ kind: 'ours' } as const);
  }
}

function isWatchedKind({ kind }: KubeObject): boolean {
  return kind !== 'Secret';
}

/** What changes when somebody changes the object: not with its status, where there is a generation. */
function versionOf({ metadata }: KubeObject): string {
  const { uid = '', generation, resourceVersion = '' } = metadata;
  return `${uid}/${generation ?? resourceVersion}`;
}

function clusterPrefix({ namespace, name }: Pick<ClusterContext, 'namespace' | 'name'>): string {
  return `${namespace}/${name}/`;
}

function memoryKey(context: ClusterContext, { kind, metadata }: KubeObject): string {
  return `${clusterPrefix(context)}${context.uid}/${kind}/${metadata.name}`;
}
