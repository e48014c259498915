import { describe, expect, test } from '@jest/globals';
import type { Service } from '../../src/api/kubernetes.ts';
import { httpPort } from '../../src/api/names.ts';
import { desiredObjects } from '../../src/reconcilers/desired-objects.ts';
import { clusterContext } from '../support/gitaly-cluster.ts';
import { monitoringManifests } from './manifests.ts';

const observed = { statefulSets: [], claims: [], pods: [] };
const objects = desiredObjects({ context: clusterContext(), observed, gitalyToken: 'secret' });

describe('the ServiceMonitor', () => {
  test('scrapes each proxy once, by a port that it has', async () => {
    const [{ spec }] = await monitoringManifests();
    const wanted = Object.entries(spec.selector.matchLabels);
    const selected = objects
      .filter((object): object is Service => object.kind === 'Service')
      .filter(({ metadata }) => wanted.every(([key, value]) => metadata.labels?.[key] === value));
    for (const { port } of spec.endpoints) {
      const ports = selected.flatMap((service) => service.spec.ports ?? []);
      const named = ports.filter(({ name }) => name === port);
      expect(named).toEqual([{ name: port, port: httpPort, targetPort: 'http' }]);
    }
    expect(spec.endpoints.map(({ path = '/metrics' }) => path)).toEqual([
      '/metrics',
      '/db_metrics',
    ]);
  });
});
