import type { Pod } from '../../api/kubernetes.ts';
import { selectorLabels, type Part } from '../object-meta.ts';
import type { StatusInput } from './status-input.ts';

/** The observed pods of a part of the cluster. */
export function podsOf({ context, observed }: StatusInput, part: Part): Pod[] {
  const wanted = Object.entries(selectorLabels(context, part));
  return observed.pods.filter(({ metadata }) =>
    wanted.every(([key, value]) => metadata.labels?.[key] === value),
  );
}
