import { describe, expect, it } from '@jest/globals';
import {
  addresses,
  clusterLink,
  controlPlaneNamespace,
  hostLink,
  isOurNamespace,
  maxNodes,
  planNodes,
} from './addresses.ts';

describe('the address plan', () => {
  const nodes = planNodes(maxNodes);

  it('gives every node addresses of its own', () => {
    const fixed = [addresses.controlPlane, addresses.hostEnd, addresses.clusterEnd];
    const all = [...fixed, ...nodes.map(({ address }) => address)];
    expect(new Set(all).size).toBe(all.length);
    expect(new Set(nodes.map(({ pods }) => pods)).size).toBe(nodes.length);
  });

  it('keeps every range inside the range set aside for tests', () => {
    const ranges = [addresses.pods, addresses.services, ...nodes.map(({ pods }) => pods)];
    for (const range of ranges) expect(isInside(range, addresses.all)).toBe(true);
  });

  it('takes the pods of all nodes out of the range that services see as pods', () => {
    for (const { pods } of nodes) expect(isInside(pods, addresses.pods)).toBe(true);
  });

  it('keeps services apart from pods and nodes', () => {
    for (const { pods, address } of nodes) {
      expect(isInside(pods, addresses.services)).toBe(false);
      expect(isInside(`${address}/32`, addresses.services)).toBe(false);
      expect(isInside(`${address}/32`, addresses.pods)).toBe(false);
    }
    expect(isInside(`${addresses.dnsService}/32`, addresses.services)).toBe(true);
  });

  it('keeps the names of links within the 15 characters that Linux allows', () => {
    const links = [hostLink, clusterLink, ...nodes.map(({ cable }) => cable)];
    for (const link of links) expect(link.length).toBeLessThanOrEqual(15);
  });

  it('knows its own namespaces from others', () => {
    for (const { namespace } of nodes) expect(isOurNamespace(namespace)).toBe(true);
    expect(isOurNamespace(controlPlaneNamespace)).toBe(true);
    expect(isOurNamespace('cni-1234')).toBe(false);
    expect(isOurNamespace('gitaly-testbedded')).toBe(false);
  });

  it('refuses a number of nodes that it has no room for', () => {
    for (const count of [0, -1, 1.5, maxNodes + 1]) expect(() => planNodes(count)).toThrow('nodes');
  });
});

function isInside(inner: string, outer: string): boolean {
  const [base, bits] = parse(outer);
  const [address, innerBits] = parse(inner);
  const size = 2 ** (32 - bits);
  return innerBits >= bits && Math.floor(address / size) === Math.floor(base / size);
}

function parse(range: string): readonly [number, number] {
  const [address = '', bits = ''] = range.split('/');
  const value = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  return [value, Number(bits)];
}
