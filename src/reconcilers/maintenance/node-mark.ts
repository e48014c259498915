import type { Node } from '../../api/kubernetes.ts';

/** The annotation of a node that the operator has cordoned: for which maintenance. */
const nodeMarkKey = 'gitaly.dev/maintenance';

/** Which maintenance a node is cordoned for, and of which cluster. */
export interface NodeMark {
  readonly namespace: string;
  readonly cluster: string;
  readonly maintenance: string;
}

/** The annotation's value: `gitlab/gitaly/kernel-patch`. */
export function nodeMark({ namespace, cluster, maintenance }: NodeMark): string {
  return `${namespace}/${cluster}/${maintenance}`;
}

/** Whether a mark is of a maintenance of that cluster, be it still there or not. */
export function isMarkOf(
  mark: string | undefined,
  { namespace, name }: { readonly namespace: string; readonly name: string },
): boolean {
  return mark?.startsWith(`${namespace}/${name}/`) === true;
}

/** The mark that a node has, if any. */
export function markOfNode({ metadata }: Node): string | undefined {
  return metadata.annotations?.[nodeMarkKey];
}

/** The merge patch that cordons a node for a maintenance. */
export function cordonPatch(mark: string): object {
  return { metadata: { annotations: { [nodeMarkKey]: mark } }, spec: { unschedulable: true } };
}

/** The merge patch that uncordons a node, and takes its mark away. */
export function uncordonPatch(): object {
  return { metadata: { annotations: { [nodeMarkKey]: null } }, spec: { unschedulable: null } };
}
