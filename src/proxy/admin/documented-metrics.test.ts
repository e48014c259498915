import { readFile } from 'node:fs/promises';
import { describe, expect, test } from '@jest/globals';
import type { Registry } from 'prom-client';
import { systemClock } from '../../base/clock.ts';
import { PodMetrics } from '../../main/workers/pod-metrics.ts';
import { createMemoryStore } from '../store/memory-store.ts';
import { StorageDirectory } from '../upstream/storage-directory.ts';
import { DatabaseMetrics } from './database-metrics.ts';
import { ProxyMetrics } from './metrics.ts';

const storages = new StorageDirectory([]);
const store = createMemoryStore({ clock: systemClock });
const database = new DatabaseMetrics({
  store,
  storages,
  clock: systemClock,
  verificationIntervalMs: 1,
});

function namesIn(registry: Registry): string[] {
  return registry.getMetricsAsArray().map(({ name }) => name);
}

const names = [
  ...namesIn(new ProxyMetrics(storages, () => ({ notAfterMs: 0 })).registry),
  ...namesIn(database.registry),
  ...namesIn(
    new PodMetrics(
      () => [],
      () => 0,
    ).registry,
  ),
];

function read(path: string): Promise<string> {
  return readFile(new URL(`../../../docs/${path}`, import.meta.url), 'utf8');
}

describe('the documentation', () => {
  test('lists every metric in a table, and none that does not exist', async () => {
    const text = await read('metrics.md');
    const [ours = ''] = text.split('## What Praefect has');
    const listed = [...ours.matchAll(/^\| `([a-z_]+)`/gm)].map(([, name]) => name);
    const sorted = (list: readonly (string | undefined)[]) =>
      list.toSorted((a = '', b = '') => a.localeCompare(b));
    expect(sorted(listed)).toEqual(sorted(names));
  });

  test('makes alerts of metrics that exist', async () => {
    const rules = await readFile(
      new URL('../../../examples/monitoring.yaml', import.meta.url),
      'utf8',
    );
    const used = [...rules.matchAll(/\b(?:gitaly|grpc)_(?:praefect|proxy|server)_[a-z_]+/g)];
    expect(used.length).toBeGreaterThan(4);
    for (const [name] of used) expect(names).toContain(name);
  });
});
