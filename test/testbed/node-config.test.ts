import { describe, expect, it } from '@jest/globals';
import { load } from 'js-yaml';
import { parse } from 'smol-toml';
import { addresses, planNodes } from './addresses.ts';
import {
  cniConfig,
  containerdConfig,
  containerdSeedConfig,
  containerdSocket,
  kubeletConfig,
  kubeProxyConfig,
} from './node-config.ts';

const places = {
  folder: '/state/nodes/node2',
  authority: '/state/pki/ca.crt',
  kubeProxyKubeconfig: '/state/pki/kube-proxy.kubeconfig',
  cniPlugins: '/usr/lib/cni',
};
const [, node] = planNodes(3);
if (node === undefined) throw new Error('no second node');

describe('the configuration of a node', () => {
  it("points containerd at the node's own network configuration and an image that is there", () => {
    expect(parse(containerdConfig(places))).toMatchObject({
      version: 2,
      root: '/var/lib/containerd',
      grpc: { address: containerdSocket },
      plugins: {
        'io.containerd.grpc.v1.cri': {
          sandbox_image: 'registry.testbed.example/pause:1',
          cni: { bin_dir: '/usr/lib/cni', conf_dir: '/state/nodes/node2/cni' },
        },
      },
    });
  });

  it('leaves the part that talks to Kubernetes out of a containerd that only imports', () => {
    expect(parse(containerdSeedConfig('/seed'))).toMatchObject({
      root: '/seed',
      disabled_plugins: expect.arrayContaining(['io.containerd.grpc.v1.cri']),
    });
  });

  it('gives pods addresses out of the range of their node', () => {
    expect(JSON.parse(cniConfig(node))).toMatchObject({
      plugins: [{ type: 'ptp', ipam: { ranges: [[{ subnet: '198.18.130.0/24' }]] } }],
    });
  });

  it('makes kubelet run on both versions of control groups, below the group of its node', () => {
    expect(load(kubeletConfig(node, places))).toMatchObject({
      failCgroupV1: false,
      cgroupRoot: '/gitaly-testbed/node2',
      clusterDNS: [addresses.dnsService],
      containerRuntimeEndpoint: `unix://${containerdSocket}`,
      authentication: { anonymous: { enabled: false } },
    });
  });

  it("leaves settings alone that kube-proxy can't change inside a namespace", () => {
    expect(load(kubeProxyConfig('node2', '/kubeconfig'))).toMatchObject({
      hostnameOverride: 'node2',
      clusterCIDR: addresses.pods,
      conntrack: { maxPerCore: 0, min: 0 },
    });
  });
});
