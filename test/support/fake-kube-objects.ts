import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';

/** An object with nothing known of it but its metadata. */
export interface FakeObject {
  readonly metadata: Readonly<Record<string, unknown>> & { readonly name?: string };
  readonly [field: string]: unknown;
}

/** A change, as a watch tells it. */
export interface ObjectEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: FakeObject;
  /** The collection that the object is in. */
  readonly collection: string;
  readonly version: number;
}

/** A request for objects, its body parsed. */
export interface ObjectRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly body: FakeObject | undefined;
  /** Whether a PATCH is a server-side apply. */
  readonly apply: boolean;
}

/** What the API server says. */
export interface ObjectAnswer {
  readonly code: number;
  readonly body: object;
}

interface Place {
  readonly collection: string;
  readonly name: string | undefined;
  readonly status: boolean;
}

const pathSyntax =
  /^(\/api\/v1|\/apis\/[^/]+\/[^/]+)(?:\/namespaces\/([^/]+))?\/([^/]+)(?:\/([^/]+))?(\/status)?$/;

/** The objects of a fake API server, each with its versions. */
export class FakeObjects {
  readonly #objects = new Map<string, FakeObject>();
  #log: ObjectEvent[] = [];
  #compacted = 0;
  #version = 100;
  #listener: (event: ObjectEvent) => void = () => {};

  /** The version of the newest change. */
  get version(): string {
    return String(this.#version);
  }

  /** Calls `listener` with each change from now on. */
  onEvent(listener: (event: ObjectEvent) => void): void {
    this.#listener = listener;
  }

  /** Forgets all changes until now: watches from before them get a 410. */
  compact(): void {
    this.#log = [];
    this.#compacted = this.#version;
  }

  /** The object at a path such as `/api/v1/namespaces/git/services/gitaly`. */
  at(path: string): FakeObject | undefined {
    return this.#objects.get(path);
  }

  /** The paths of all objects. */
  paths(): string[] {
    return [...this.#objects.keys()].toSorted();
  }

  /** Writes an object as it is, status included, and tells the watches. */
  put(path: string, object: FakeObject): FakeObject {
    return this.#store(path, object);
  }

  /** Deletes the object and tells the watches. */
  remove(path: string): void {
    const object = this.#objects.get(path);
    if (!object) return;
    this.#objects.delete(path);
    this.#tell('DELETED', path, this.#stamp(path, object, object));
  }

  /** Serves everything but a watch. */
  handle(request: ObjectRequest): ObjectAnswer {
    const place = placeOf(request.path);
    const { name, collection } = place;
    switch (request.method) {
      case 'GET':
        return name === undefined ? this.#list(request) : found(this.#objects.get(pathOf(place)));
      case 'POST':
        return this.#create(collection, request);
      case 'PUT':
        return this.#replace(place, request);
      case 'PATCH':
        return this.#patch(place, request);
      case 'DELETE':
        return this.#delete(place, request);
      default:
        return refusal(405, 'MethodNotAllowed');
    }
  }

  /** What a watch from a version has missed. */
  eventsSince(
    path: string,
    query: URLSearchParams,
  ): { kind: 'expired' } | { kind: 'events'; events: ObjectEvent[] } {
    const from = Number(query.get('resourceVersion') ?? 0);
    if (from < this.#compacted) return { kind: 'expired' };
    const events = this.#log.filter(
      ({ version, object }) => version > from && this.matches(object, path, query),
    );
    return { kind: 'events', events };
  }

  /** Whether an object is among those that a path and a label selector name. */
  matches(object: FakeObject, path: string, query: URLSearchParams): boolean {
    const collection = collectionOf(object);
    const { collection: wanted } = placeOf(path);
    const namespaced = wanted.includes('/namespaces/');
    const inPlace = namespaced
      ? collection === wanted
      : collection.replace(/\/namespaces\/[^/]+/, '') === wanted;
    const labels = (object.metadata['labels'] ?? {}) as Record<string, string>;
    const selector = query.get('labelSelector') ?? '';
    const terms = selector === '' ? [] : selector.split(',').map((term) => term.split('='));
    return (
      inPlace &&
      terms.every(([key = '', value]) =>
        value === undefined ? key in labels : labels[key] === value,
      )
    );
  }

  #list({ path, query }: ObjectRequest): ObjectAnswer {
    const matching = [...this.#objects.values()].filter((object) =>
      this.matches(object, path, query),
    );
    const start = Number(query.get('continue') ?? 0);
    const end = start + Number(query.get('limit') ?? 500);
    const more = end < matching.length;
    const metadata = { resourceVersion: this.version, continue: more ? String(end) : '' };
    return { code: 200, body: { kind: 'List', metadata, items: matching.slice(start, end) } };
  }

  #create(collection: string, { body }: ObjectRequest): ObjectAnswer {
    const path = `${collection}/${body?.metadata.name ?? ''}`;
    if (!body) return refusal(400, 'BadRequest');
    if (this.#objects.has(path)) return refusal(409, 'AlreadyExists');
    return { code: 201, body: this.#store(path, body) };
  }

  #replace(place: Place, { body }: ObjectRequest): ObjectAnswer {
    const path = pathOf(place);
    const current = this.#objects.get(path);
    if (!current || !body) return refusal(404, 'NotFound');
    const { resourceVersion } = body.metadata;
    if (resourceVersion !== undefined && resourceVersion !== current.metadata['resourceVersion']) {
      return refusal(409, 'Conflict');
    }
    return { code: 200, body: this.#store(path, body) };
  }

  #patch(place: Place, { body, apply }: ObjectRequest): ObjectAnswer {
    const path = pathOf(place);
    const current = this.#objects.get(path);
    if (!body) return refusal(400, 'BadRequest');
    if (!current && (!apply || place.status)) return refusal(404, 'NotFound');
    const { uid } = body.metadata;
    if (current && uid !== undefined && uid !== current.metadata['uid']) {
      return refusal(409, 'Conflict');
    }
    const patch = place.status ? { status: body['status'] } : body;
    // The whole status has one owner, so that an apply of it replaces it.
    const base = place.status && apply && current ? { ...current, status: {} } : (current ?? {});
    return { code: 200, body: this.#store(path, merge(base, patch) as FakeObject) };
  }

  #delete(place: Place, { body }: ObjectRequest): ObjectAnswer {
    const object = this.#objects.get(pathOf(place));
    if (!object) return refusal(404, 'NotFound');
    const { uid } = (body?.['preconditions'] ?? {}) as { uid?: string };
    if (uid !== undefined && uid !== object.metadata['uid']) return refusal(409, 'Conflict');
    this.remove(pathOf(place));
    return { code: 200, body: object };
  }

  #store(path: string, object: FakeObject): FakeObject {
    const before = this.#objects.get(path);
    if (before && isDeepStrictEqual(withoutVersion(before), withoutVersion(object))) return before;
    const stored = this.#stamp(path, object, before);
    this.#objects.set(path, stored);
    this.#tell(before ? 'MODIFIED' : 'ADDED', path, stored);
    return stored;
  }

  #stamp(path: string, object: FakeObject, before: FakeObject | undefined): FakeObject {
    this.#version += 1;
    const namespace = /\/namespaces\/([^/]+)\//.exec(path)?.[1];
    const generation = Number(before?.metadata['generation'] ?? 0);
    const changed = !before || !isDeepStrictEqual(before['spec'], object['spec']);
    return {
      ...object,
      metadata: {
        ...object.metadata,
        ...(namespace !== undefined && { namespace }),
        uid: before?.metadata['uid'] ?? object.metadata['uid'] ?? randomUUID(),
        resourceVersion: this.version,
        ...(object['spec'] !== undefined && { generation: generation + (changed ? 1 : 0) }),
      },
    };
  }

  #tell(type: ObjectEvent['type'], path: string, object: FakeObject): void {
    const { collection } = placeOf(path);
    const event = { type, object, collection, version: this.#version };
    this.#log.push(event);
    this.#listener(event);
  }
}

function placeOf(path: string): Place {
  const match = pathSyntax.exec(path);
  if (!match) throw new Error(`not a path of objects: ${path}`);
  const [, group = '', namespace, plural = '', name, status] = match;
  const inNamespace = namespace === undefined ? '' : `/namespaces/${namespace}`;
  return { collection: `${group}${inNamespace}/${plural}`, name, status: status !== undefined };
}

function pathOf({ collection, name = '' }: Place): string {
  return `${collection}/${name}`;
}

function collectionOf(object: FakeObject): string {
  const apiVersion = String(object['apiVersion']);
  const kind = String(object['kind']);
  const plural = `${kind.toLowerCase()}s`;
  const group = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  return `${group}/namespaces/${String(object.metadata['namespace'])}/${plural}`;
}

function found(object: FakeObject | undefined): ObjectAnswer {
  return object ? { code: 200, body: object } : refusal(404, 'NotFound');
}

function refusal(code: number, reason: string): ObjectAnswer {
  return { code, body: { kind: 'Status', code, reason, message: `fake: ${reason}` } };
}

function withoutVersion({ metadata, ...rest }: FakeObject): object {
  const { resourceVersion: _version, generation: _generation, uid: _uid, ...others } = metadata;
  return { ...rest, metadata: others };
}

function merge(base: unknown, patch: unknown): unknown {
  if (!isPlain(base) || !isPlain(patch)) return patch;
  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete merged[key];
    else merged[key] = merge(merged[key], value);
  }
  return merged;
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
