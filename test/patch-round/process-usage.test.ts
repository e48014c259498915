import { expect, test } from '@jest/globals';
import { cpuOf, peakOf, usageOf } from './process-usage.ts';

test('memory and CPU are read as proc(5) says', () => {
  expect(peakOf('Name:\tnode\nVmPeak:\t  900 kB\nVmHWM:\t  300 kB\nVmRSS:\t 200 kB\n')).toBe(
    307_200,
  );
  const fields = Array.from({ length: 50 }, (_, index) => String(index + 3));
  // utime is field 14, stime field 15
  expect(cpuOf(`42 (a) b (c) ${fields.join(' ')}`)).toBe((14 + 15) * 10);
  expect(() => peakOf('Name:\tnode\n')).toThrow('has ended');
});

test('this process has used something', async () => {
  const { peakBytes, cpuMs } = await usageOf(process.pid);
  expect(peakBytes).toBeGreaterThan(10e6);
  expect(cpuMs).toBeGreaterThan(0);
});
