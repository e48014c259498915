import { describe, expect, test } from '@jest/globals';
import { defaultWorkers } from './worker-default.ts';

describe('a proxy has by default', () => {
  test.each([
    [undefined, 1],
    [{}, 1],
    [{ limits: { cpu: '500m' } }, 1],
    [{ limits: { cpu: '1900m' } }, 1],
    [{ limits: { cpu: 2 } }, 2],
    [{ limits: { cpu: '4' }, requests: { cpu: '500m' } }, 4],
    [{ requests: { cpu: '3' } }, 3],
    [{ limits: { cpu: '64' } }, 8],
    [{ limits: { cpu: '4', memory: '512Mi' } }, 1],
    [{ limits: { cpu: '4', memory: '607Mi' } }, 1],
    [{ limits: { cpu: '4', memory: '608Mi' } }, 2],
    [{ limits: { cpu: '4', memory: '2Gi' } }, 4],
    [{ limits: { cpu: '4', memory: '64Mi' } }, 1],
    [{ limits: { memory: '16Gi' } }, 1],
    [{ limits: { cpu: 'many' } }, 1],
  ])('with resources %j %d workers', (resources, workers) => {
    expect(defaultWorkers(resources)).toBe(workers);
  });
});
