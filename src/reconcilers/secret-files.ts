import type { Volume } from '../api/kubernetes.ts';

/** A volume with some keys of a Secret, each as a file of that name. */
export function secretFiles(volume: string, secretName: string, keys: readonly string[]): Volume {
  return { name: volume, secret: { secretName, items: keys.map((key) => ({ key, path: key })) } };
}
