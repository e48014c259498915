import { expect, test } from '@jest/globals';
import { brokenPromises } from './round-result.ts';

const kept = {
  storages: 160,
  repositories: 1_000_000,
  virtualMinutes: 29.9,
  minInSyncReplicas: 2,
  planSeconds: 0.3,
  operatorRssMb: 299,
};

test('a round that keeps every promise breaks none', () => {
  expect(brokenPromises(kept, { operatorCores: 0.9 })).toEqual([]);
});

test.each([
  [{ virtualMinutes: 30 }, 0.1, 'it took 30 minutes'],
  [{ minInSyncReplicas: 1 }, 0.1, 'a repository had 1 usable replicas'],
  [{ operatorRssMb: 300 }, 0.1, 'the operator had 300 MB'],
  [{ planSeconds: 1 }, 0.1, 'a plan took 1 s'],
  [{}, 1, 'the operator used 1 cores'],
])('%j at %d cores is told', (change, operatorCores, text) => {
  expect(brokenPromises({ ...kept, ...change }, { operatorCores })).toEqual([text]);
});
