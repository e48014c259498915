import { expect, test } from '@jest/globals';
import { cpuMsIn, cpuMsOf, memoryIn, memoryOf } from './process-usage.ts';

test('memory and CPU are read as proc(5) says', () => {
  expect(
    memoryIn('Name:\tnode\nVmPeak:\t  900 kB\nVmHWM:\t  300 kB\nVmRSS:\t 200 kB\n', 'VmHWM'),
  ).toBe(307_200);
  const fields = Array.from({ length: 50 }, (_, index) => String(index + 3));
  // utime is field 14, stime field 15
  expect(cpuMsIn(`42 (a) b (c) ${fields.join(' ')}`)).toBe((14 + 15) * 10);
  expect(() => memoryIn('Name:\tnode\n', 'VmHWM')).toThrow('has ended');
});

test('this process has used something', async () => {
  expect(await memoryOf(process.pid, 'VmHWM')).toBeGreaterThan(10e6);
  expect(await cpuMsOf(process.pid)).toBeGreaterThan(0);
});
