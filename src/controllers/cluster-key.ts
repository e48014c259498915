import type { ObjectName } from '../kube/resource-types.ts';

/** The name of a cluster as one text: the queue's key. */
export function keyOf({ namespace, name }: ObjectName): string {
  return `${namespace}/${name}`;
}

/** The reverse of {@link keyOf}. */
export function parseKey(key: string): ObjectName {
  const [namespace = '', name = ''] = key.split('/');
  return { namespace, name };
}
