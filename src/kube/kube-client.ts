import type { KubeObject } from '../api/kubernetes.ts';
import { fieldManager } from '../api/names.ts';
import { isKubeError } from './kube-error.ts';
import type { KubeTransport } from './kube-transport.ts';
import {
  collectionPath,
  objectPath,
  resourceTypeOf,
  resourceTypes,
  type ObjectName,
  type ResourceType,
} from './resource-types.ts';

/** One page of a list. */
export interface ObjectPage<T extends KubeObject> {
  readonly items: readonly T[];
  /** Where a watch goes on from. */
  readonly resourceVersion: string;
  /** Asks for the next page; absent on the last. */
  readonly continueToken: string | undefined;
}

/** Which objects of a kind. */
export interface Selection {
  /** Absent: all namespaces. */
  readonly namespace?: string;
  readonly labelSelector?: string;
}

/** What a list asks for. */
export interface ListQuery extends Selection {
  readonly limit: number;
  readonly continueToken?: string;
  readonly signal: AbortSignal;
}

/** What a watch asks for. */
export interface WatchQuery extends Selection {
  readonly resourceVersion: string;
  readonly timeoutSeconds: number;
  readonly signal: AbortSignal;
}

/** What a look at a log asks for. */
export interface LogQuery {
  readonly container: string;
  /** The line at the limit is cut. */
  readonly limitBytes: number;
  readonly signal: AbortSignal;
}

/**
 * Calls of the API server with our own JSON: nothing is dropped or converted on the way. Rejects with
 * a KubeError if the server refuses, but for what a method says it returns.
 */
export class KubeClient {
  readonly #transport: KubeTransport;

  constructor(transport: KubeTransport) {
    this.#transport = transport;
  }

  /** The object, or undefined if there is none. */
  async get<T extends KubeObject>(type: ResourceType<T>, name: ObjectName): Promise<T | undefined> {
    try {
      const path = objectPath(type, name);
      return (await this.#transport.send({ method: 'GET', path })) as T;
    } catch (refusal) {
      if (isKubeError(refusal, 404)) return undefined;
      throw refusal;
    }
  }

  /** One page of the objects. */
  async list<T extends KubeObject>(
    type: ResourceType<T>,
    { namespace, labelSelector, limit, continueToken, signal }: ListQuery,
  ): Promise<ObjectPage<T>> {
    const answer = (await this.#transport.send({
      method: 'GET',
      path: collectionPath(type, namespace),
      query: { labelSelector, limit: String(limit), continue: continueToken },
      signal,
    })) as ListAnswer;
    const { resourceVersion, continue: next } = answer.metadata;
    return {
      // Items of a list come without kind and version.
      items: (answer.items ?? []).map(
        (item) => Object.assign(item, { apiVersion: type.apiVersion, kind: type.kind }) as T,
      ),
      resourceVersion,
      continueToken: next === '' ? undefined : next,
    };
  }

  /** The lines of a watch, each a JSON event. Asks for bookmarks. */
  watch(
    type: ResourceType,
    { namespace, labelSelector, resourceVersion, timeoutSeconds, signal }: WatchQuery,
  ): Promise<AsyncIterable<string>> {
    return this.#transport.openLines({
      method: 'GET',
      path: collectionPath(type, namespace),
      query: {
        watch: 'true',
        allowWatchBookmarks: 'true',
        labelSelector,
        resourceVersion,
        timeoutSeconds: String(timeoutSeconds),
      },
      signal,
    });
  }

  /** The lines of a container's log from its start, each with its time before it. */
  podLog(
    name: ObjectName,
    { container, limitBytes, signal }: LogQuery,
  ): Promise<AsyncIterable<string>> {
    return this.#transport.openLines({
      method: 'GET',
      path: `${objectPath(resourceTypes.pod, name)}/log`,
      query: { container, limitBytes: String(limitBytes), timestamps: 'true' },
      signal,
    });
  }

  /** Makes the object; returns undefined if one of its name exists already. */
  async create<T extends KubeObject>(object: T): Promise<T | undefined> {
    try {
      return (await this.#transport.send({
        method: 'POST',
        path: collectionPath(resourceTypeOf(object), namespaceOf(object)),
        query: { fieldManager },
        body: object,
      })) as T;
    } catch (refusal) {
      if (isKubeError(refusal, 409)) return undefined;
      throw refusal;
    }
  }

  /**
   * Makes the object's fields ours and what they are in `object` (server-side apply); fields that
   * others own and we do not name stay. Returns the whole object.
   */
  async apply<T extends KubeObject>(object: T): Promise<T> {
    return this.#apply(objectPath(resourceTypeOf(object), nameOf(object)), object);
  }

  /** {@link apply} to the status of an object, which must exist. */
  async applyStatus<T extends KubeObject>(object: T): Promise<T> {
    return this.#apply(`${objectPath(resourceTypeOf(object), nameOf(object))}/status`, object);
  }

  async #apply<T extends KubeObject>(path: string, body: T): Promise<T> {
    return (await this.#transport.send({
      method: 'PATCH',
      path,
      query: { fieldManager, force: 'true' },
      contentType: 'application/apply-patch+yaml',
      body,
    })) as T;
  }

  /** Replaces the object if it still has the resource version that it is given with. */
  async replace<T extends KubeObject>(object: T, signal?: AbortSignal): Promise<T> {
    return (await this.#transport.send({
      method: 'PUT',
      path: objectPath(resourceTypeOf(object), nameOf(object)),
      query: { fieldManager },
      body: object,
      ...(signal && { signal }),
    })) as T;
  }

  /** Deletes the object if it is the one with that UID; returns whether it was. */
  async delete(type: ResourceType, name: ObjectName, uid: string): Promise<boolean> {
    try {
      await this.#transport.send({
        method: 'DELETE',
        path: objectPath(type, name),
        body: { apiVersion: 'v1', kind: 'DeleteOptions', preconditions: { uid } },
      });
      return true;
    } catch (refusal) {
      if (isKubeError(refusal, 404) || isKubeError(refusal, 409)) return false;
      throw refusal;
    }
  }

  /** Merges `patch` into the object (RFC 7386). */
  async merge<T extends KubeObject>(
    type: ResourceType<T>,
    name: ObjectName,
    patch: object,
  ): Promise<T> {
    return (await this.#transport.send({
      method: 'PATCH',
      path: objectPath(type, name),
      query: { fieldManager },
      contentType: 'application/merge-patch+json',
      body: patch,
    })) as T;
  }
}

interface ListAnswer {
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string };
  readonly items?: object[];
}

function namespaceOf({ kind, metadata }: KubeObject): string {
  if (metadata.namespace === undefined)
    throw new Error(`${kind} ${metadata.name} has no namespace`);
  return metadata.namespace;
}

function nameOf(object: KubeObject): ObjectName {
  return { namespace: namespaceOf(object), name: object.metadata.name };
}
