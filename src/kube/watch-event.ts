import type { KubeObject } from '../api/kubernetes.ts';

/** What one line of a watch says. */
export type WatchEvent<T extends KubeObject> =
  | { readonly kind: 'added' | 'modified' | 'deleted'; readonly object: T }
  /** Nothing changed up to this version. */
  | { readonly kind: 'bookmark'; readonly resourceVersion: string }
  /** The version to go on from is gone: list again. */
  | { readonly kind: 'expired' }
  | { readonly kind: 'failure'; readonly code: number; readonly message: string }
  /** Not a watch event. Events may have been missed: list again. */
  | { readonly kind: 'garbage' };

const changes = { ADDED: 'added', MODIFIED: 'modified', DELETED: 'deleted' } as const;

/** Reads a line of a watch. Never throws: the line may be anything. */
export function parseWatchEvent<T extends KubeObject>(line: string): WatchEvent<T> {
  const parsed = parseObject(line);
  const object = objectAt(parsed, 'object');
  const type = parsed?.['type'];
  if (!object) return { kind: 'garbage' };
  if (type === 'ERROR') return failureOf(object);
  const metadata = objectAt(object, 'metadata');
  const resourceVersion = metadata?.['resourceVersion'];
  if (typeof resourceVersion !== 'string') return { kind: 'garbage' };
  if (type === 'BOOKMARK') return { kind: 'bookmark', resourceVersion };
  if (typeof metadata?.['name'] !== 'string') return { kind: 'garbage' };
  if (type === 'ADDED' || type === 'MODIFIED' || type === 'DELETED') {
    return { kind: changes[type], object: object as unknown as T };
  }
  return { kind: 'garbage' };
}

function failureOf<T extends KubeObject>(status: Fields): WatchEvent<T> {
  const code = typeof status['code'] === 'number' ? status['code'] : 500;
  if (code === 410 || status['reason'] === 'Expired') return { kind: 'expired' };
  const message = typeof status['message'] === 'string' ? status['message'] : 'no message';
  return { kind: 'failure', code, message };
}

type Fields = Readonly<Record<string, unknown>>;

function parseObject(line: string): Fields | undefined {
  try {
    const parsed: unknown = JSON.parse(line);
    return isFields(parsed) ? parsed : undefined;
  } catch {
    return undefined;
  }
}

function objectAt(fields: Fields | undefined, key: string): Fields | undefined {
  const value = fields?.[key];
  return isFields(value) ? value : undefined;
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
