/**
 * The address plan. All of it is out of 198.18.0.0/15, which RFC 2544 sets aside for tests, so it
 * meets no real network:
 *
 * ```
 * 198.18.0.0/24    the wire between the control plane (.1) and the nodes (.11, .12, ...)
 * 198.18.1.0/30    the link between the machine (.1) and the control plane (.2)
 * 198.18.129.0/24  pods of the first node, .130.0/24 of the second, ...
 * 198.19.0.0/16    services: .0.1 is the API, .0.10 is DNS
 * ```
 */
export const addresses = {
  all: '198.18.0.0/15',
  controlPlane: '198.18.0.1',
  hostEnd: '198.18.1.1',
  clusterEnd: '198.18.1.2',
  pods: '198.18.128.0/17',
  services: '198.19.0.0/16',
  apiService: '198.19.0.1',
  dnsService: '198.19.0.10',
  apiPort: 6443,
} as const;

/** One node of the cluster. */
export interface NodePlan {
  /** 1, 2, ... */
  readonly index: number;
  /** Its name in Kubernetes, for example `node1`. */
  readonly name: string;
  readonly address: string;
  /** The range of its pods' addresses. */
  readonly pods: string;
  /** Its network namespace. */
  readonly namespace: string;
  /** The control plane's end of its cable. */
  readonly cable: string;
}

/** The network namespace of the control plane, which is also the switch between the nodes. */
export const controlPlaneNamespace = 'gitaly-testbed';

/** The machine's end of its link to the cluster. */
export const hostLink = 'gitaly-testbed';

/** The cluster's end of that link. */
export const clusterLink = 'host';

/** The most nodes that the plan has room for. */
export const maxNodes = 100;

/** The nodes of a cluster of `count`. Names and addresses depend on the index alone. */
export function planNodes(count: number): readonly NodePlan[] {
  if (!Number.isInteger(count) || count < 1 || count > maxNodes) {
    throw new Error(`a testbed has 1 to ${maxNodes} nodes, not ${count}`);
  }
  return Array.from({ length: count }, (_, position) => {
    const index = position + 1;
    return {
      index,
      name: `node${index}`,
      address: `198.18.0.${10 + index}`,
      pods: `198.18.${128 + index}.0/24`,
      namespace: `${controlPlaneNamespace}-node${index}`,
      cable: `cable${index}`,
    };
  });
}

/** Whether a network namespace is one of ours, whatever number of nodes it was made for. */
export function isOurNamespace(name: string): boolean {
  return name === controlPlaneNamespace || name.startsWith(`${controlPlaneNamespace}-node`);
}
