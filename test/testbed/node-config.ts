import { dump } from 'js-yaml';
import { addresses, type NodePlan } from './addresses.ts';
import { nodeGroup } from './cgroups.ts';
import { systemImages } from './system-images.ts';

/** Where things lie, as a node sees them. */
export interface NodePlaces {
  /** The folder of this node's configuration and data. */
  readonly folder: string;
  readonly authority: string;
  readonly kubeProxyKubeconfig: string;
  readonly cniPlugins: string;
}

/** Where every node keeps its persistent volumes: the same path on each, and a folder of its own. */
export const volumesFolder = '/var/lib/testbed-volumes';

/** containerd's socket, in the node's own /run. */
export const containerdSocket = '/run/containerd/containerd.sock';

/** Plugins of containerd that only complain where their tools are not installed. */
const unneededPlugins = ['zfs', 'btrfs', 'aufs', 'devmapper'].map(
  (name) => `io.containerd.snapshotter.v1.${name}`,
);

/** The part of containerd's configuration (TOML) that all have, in the format of 1.5 to 2.x. */
function containerdBase(root: string, disabledPlugins: readonly string[]): string {
  return `version = 2
root = "${root}"
state = "/run/containerd"
oom_score = 0
disabled_plugins = ${JSON.stringify(disabledPlugins)}
[grpc]
  address = "${containerdSocket}"
`;
}

/** The configuration of a containerd that only imports images into `root`. */
export function containerdSeedConfig(root: string): string {
  return containerdBase(root, [...unneededPlugins, 'io.containerd.grpc.v1.cri']);
}

/** The configuration of a node's containerd. */
export function containerdConfig(places: NodePlaces): string {
  return `${containerdBase('/var/lib/containerd', unneededPlugins)}
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${systemImages.pause}"
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "${places.cniPlugins}"
    conf_dir = "${places.folder}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
`;
}

/** How pods get their network: a cable each to the node, which routes; no bridge, no masquerade. */
export function cniConfig(node: NodePlan): string {
  const ipam = {
    type: 'host-local',
    ranges: [[{ subnet: node.pods }]],
    routes: [{ dst: '0.0.0.0/0' }],
  };
  const plugin = { type: 'ptp', ipMasq: false, mtu: 1500, ipam };
  return JSON.stringify({ cniVersion: '0.4.0', name: 'testbed', plugins: [plugin] });
}

/** kubelet's configuration (YAML). */
export function kubeletConfig(node: NodePlan, places: NodePlaces): string {
  return dump({
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: places.authority },
    },
    authorization: { mode: 'Webhook' },
    cgroupDriver: 'cgroupfs',
    cgroupRoot: nodeGroup(node.name),
    failCgroupV1: false,
    failSwapOn: false,
    // Tolerates that some of the machine's settings can't be changed from inside a node.
    featureGates: { KubeletInUserNamespace: true },
    containerRuntimeEndpoint: `unix://${containerdSocket}`,
    resolvConf: `${places.folder}/resolv.conf`,
    clusterDNS: [addresses.dnsService],
    clusterDomain: 'cluster.local',
    // With the controller manager's grace period: a dead node is seen in 12 to 22 s.
    nodeLeaseDurationSeconds: 12,
    nodeStatusUpdateFrequency: '4s',
    maxPods: 60,
    // Tests kill containers often, and not because they are faulty.
    crashLoopBackOff: { maxContainerRestartPeriod: '2s' },
    // The disk is the machine's: how full it is says nothing about this node.
    imageGCHighThresholdPercent: 100,
    imageGCLowThresholdPercent: 99,
    evictionHard: {
      'memory.available': '200Mi',
      'nodefs.available': '1%',
      'nodefs.inodesFree': '1%',
      'imagefs.available': '1%',
      'imagefs.inodesFree': '1%',
    },
  });
}

/**
 * kube-proxy's configuration (YAML). `hostname` must be that of a node that exists, also where
 * this kube-proxy runs on none: it waits for that node.
 */
export function kubeProxyConfig(hostname: string, kubeconfig: string): string {
  return dump({
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    mode: 'nftables',
    clientConnection: { kubeconfig },
    clusterCIDR: addresses.pods,
    hostnameOverride: hostname,
    // These settings of the kernel can't be changed from inside a network namespace.
    conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: '0s', tcpCloseWaitTimeout: '0s' },
  });
}
