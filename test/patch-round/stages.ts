/** What kwok makes of nodes and pods. */
export interface StagesOptions {
  /** A pod of this image runs as soon as it is on its node; one of another starts after its node has. */
  readonly firstImage: string;
  /** The component of the pods whose node is patched before they start. */
  readonly component: string;
  /** How long a node takes for its patch and its reboot, in milliseconds. */
  readonly rebootMs: number;
}

/** A node with this annotation boots anew, and has its value for a boot ID then. */
export const bootKey = 'patch-round/boot';

/** The boot IDs that a node has: before its only reboot, and after. */
export const bootIDs = { before: 'boot-1', after: 'boot-2' } as const;

/**
 * The stages of kwok (https://kwok.sigs.k8s.io/docs/user/stages-configuration): a node is ready at once and for good, and
 * has booted anew some time after it was told to; a pod runs and is ready at once or after a reboot, and one that is
 * deleted is gone at once.
 */
export function stages({ firstImage, component, rebootMs }: StagesOptions): readonly object[] {
  const isThere = { key: '.metadata.deletionTimestamp', operator: 'DoesNotExist' };
  const isPending = { key: '.status.phase', operator: 'In', values: ['Pending'] };
  const componentKey = '.metadata.labels["app.kubernetes.io/component"]';
  const imageKey = '.spec.containers.[].image';
  return [
    stage('node-ready', 'Node', {
      selector: {
        matchExpressions: [{ key: '.status.phase', operator: 'NotIn', values: ['Running'] }],
      },
      next: { statusTemplate: nodeStatus(bootIDs.before) },
    }),
    stage('node-booted', 'Node', {
      selector: {
        matchExpressions: [
          { key: `.metadata.annotations["${bootKey}"]`, operator: 'In', values: [bootIDs.after] },
          { key: '.status.nodeInfo.bootID', operator: 'NotIn', values: [bootIDs.after] },
        ],
      },
      delay: { durationMilliseconds: Math.round(rebootMs) },
      next: { statusTemplate: nodeStatus(bootIDs.after) },
    }),
    stage('pod-ready', 'Pod', {
      selector: {
        matchExpressions: [
          isThere,
          isPending,
          { key: componentKey, operator: 'NotIn', values: [component] },
        ],
      },
      next: { statusTemplate: podStatus },
    }),
    stage('storage-ready', 'Pod', {
      selector: {
        matchExpressions: [
          isThere,
          isPending,
          { key: componentKey, operator: 'In', values: [component] },
          { key: imageKey, operator: 'In', values: [firstImage] },
        ],
      },
      next: { statusTemplate: podStatus },
    }),
    stage('storage-ready-after-reboot', 'Pod', {
      selector: {
        matchExpressions: [
          isThere,
          isPending,
          { key: componentKey, operator: 'In', values: [component] },
          { key: imageKey, operator: 'NotIn', values: [firstImage] },
        ],
      },
      delay: { durationMilliseconds: Math.round(rebootMs) },
      next: { statusTemplate: podStatus },
    }),
    stage('pod-gone', 'Pod', {
      selector: {
        matchExpressions: [{ key: '.metadata.deletionTimestamp', operator: 'Exists' }],
      },
      next: { delete: true },
    }),
  ];
}

function stage(name: string, kind: 'Node' | 'Pod', spec: object): object {
  return {
    apiVersion: 'kwok.x-k8s.io/v1alpha1',
    kind: 'Stage',
    metadata: { name },
    spec: { resourceRef: { apiGroup: 'v1', kind }, ...spec },
  };
}

const nodeStatus = (bootID: string) => `
phase: Running
nodeInfo: { bootID: ${bootID} }
conditions:
- type: Ready
  status: "True"
  reason: Simulated
  lastHeartbeatTime: {{ Now | Quote }}
  lastTransitionTime: {{ Now | Quote }}
addresses: [{ type: InternalIP, address: {{ NodeIP | Quote }} }]
allocatable: { cpu: 64, memory: 512Gi, pods: 100 }
capacity: { cpu: 64, memory: 512Gi, pods: 100 }
`;

const podStatus = `
phase: Running
podIP: {{ PodIPWith .spec.nodeName false .metadata.uid .metadata.name .metadata.namespace | Quote }}
conditions:
{{ range $type := list "Initialized" "ContainersReady" "Ready" }}
- type: {{ $type }}
  status: "True"
  lastTransitionTime: {{ Now | Quote }}
{{ end }}
containerStatuses:
{{ range .spec.containers }}
- name: {{ .name | Quote }}
  image: {{ .image | Quote }}
  ready: true
  restartCount: 0
  state: { running: { startedAt: {{ Now | Quote }} } }
{{ end }}
`;
