import { access, readFile } from 'node:fs/promises';
import { describe, expect, it } from '@jest/globals';
import { conditions } from '../../src/api/conditions.ts';

const root = new URL('../../', import.meta.url);
const read = (path: string) => readFile(new URL(path, root), 'utf8');

/** The cells of the table of degraded modes. */
async function degradedModes(): Promise<readonly (readonly string[])[]> {
  const text = await read('docs/failure-modes.md');
  const [, section = ''] = /\n## Where each degraded mode is seen\n(.*?)\n## /s.exec(text) ?? [];
  const lines = section.split('\n').filter((line) => line.startsWith('| '));
  return lines.slice(2).map((line) => line.split(' | ').map((cell) => cell.replaceAll('|', '')));
}

const quoted = (cell = '') => [...cell.matchAll(/`([^`]+)`/g)].map(([, text = '']) => text);

describe('the table of degraded modes', () => {
  it('names conditions and reasons that exist', async () => {
    const reasons = Object.values(conditions).flatMap((condition) =>
      Object.keys(condition.reasons),
    );
    const known = new Set(['Unhealthy', ...Object.keys(conditions), ...reasons]);
    const named = (await degradedModes()).flatMap(([, status]) => quoted(status));
    expect(named.length).toBeGreaterThan(10);
    expect(named.filter((name) => !known.has(name))).toEqual([]);
  });

  it('names metrics that are documented', async () => {
    const documented = await read('docs/metrics.md');
    const metrics = (await degradedModes())
      .flatMap(([, , metric]) => quoted(metric))
      .filter((name) => name.startsWith('gitaly_'))
      .map((name) => name.replace(/\{.*/, ''));
    expect(metrics.length).toBeGreaterThan(10);
    expect(metrics.filter((name) => !documented.includes(`\`${name}\``))).toEqual([]);
  });

  it('has a test for each, which exists', async () => {
    for (const [mode, , , , tests] of await degradedModes()) {
      expect([mode, quoted(tests)]).not.toEqual([mode, []]);
      for (const path of quoted(tests)) await access(new URL(path, root));
    }
  });
});
