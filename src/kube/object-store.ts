import type { KubeObject } from '../api/kubernetes.ts';

/** How a store's content changed. */
export type StoreChange<T extends KubeObject> =
  | { readonly kind: 'added'; readonly object: T }
  | { readonly kind: 'modified'; readonly object: T; readonly previous: T }
  | { readonly kind: 'deleted'; readonly object: T };

/** What readers see of a store. Objects are shared: they must not be changed. */
export interface ReadonlyObjectStore<T extends KubeObject> {
  get(namespace: string, name: string): T | undefined;
  /** Those that `matches` lets pass, in no particular order. */
  list(matches?: (object: T) => boolean): T[];
  readonly size: number;
}

/** The last known objects of a kind, by namespace and name. */
export class ObjectStore<T extends KubeObject> implements ReadonlyObjectStore<T> {
  readonly #objects = new Map<string, T>();

  get size(): number {
    return this.#objects.size;
  }

  get(namespace: string, name: string): T | undefined {
    return this.#objects.get(`${namespace}/${name}`);
  }

  list(matches: (object: T) => boolean = () => true): T[] {
    return [...this.#objects.values()].filter(matches);
  }

  /** Takes in an object; undefined if exactly this version is known already. */
  put(object: T): StoreChange<T> | undefined {
    const key = keyOf(object);
    const previous = this.#objects.get(key);
    this.#objects.set(key, object);
    if (!previous) return { kind: 'added', object };
    if (isSameVersion(previous, object)) return undefined;
    return { kind: 'modified', object, previous };
  }

  /** Forgets an object; undefined if it was not known. */
  delete(object: T): StoreChange<T> | undefined {
    return this.#objects.delete(keyOf(object)) ? { kind: 'deleted', object } : undefined;
  }

  /** Takes in a whole list, and returns what is different: nothing that went meanwhile is missed. */
  replace(objects: readonly T[]): StoreChange<T>[] {
    const kept = new Set(objects.map(keyOf));
    const gone = this.list((object) => !kept.has(keyOf(object)));
    return [
      ...gone.flatMap((object) => this.delete(object) ?? []),
      ...objects.flatMap((object) => this.put(object) ?? []),
    ];
  }
}

function keyOf({ metadata }: KubeObject): string {
  return `${metadata.namespace ?? ''}/${metadata.name}`;
}

function isSameVersion(a: KubeObject, b: KubeObject): boolean {
  const { uid, resourceVersion } = a.metadata;
  return uid === b.metadata.uid && resourceVersion === b.metadata.resourceVersion;
}
