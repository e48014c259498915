import { describe, expect, it } from '@jest/globals';
import { installCommand, missingPackages } from './debian-tools.ts';

describe('missing tools', () => {
  it('are none where everything is found', async () => {
    expect(await missingPackages(() => Promise.resolve(true))).toEqual([]);
  });

  it('are named by package, each once, in order', async () => {
    const packages = await missingPackages((file) =>
      Promise.resolve(!/ctr|containerd|runc/.test(file)),
    );
    expect(packages).toEqual(['containerd', 'runc']);
    expect(installCommand(packages)).toContain('containerd runc');
  });

  it('may lie in any of the places where they are looked for', async () => {
    const elsewhere = (file: string) => Promise.resolve(file !== '/usr/lib/cni/ptp');
    expect(await missingPackages(elsewhere)).toEqual([]);
    const nowhere = (file: string) => Promise.resolve(!file.endsWith('/ptp'));
    expect(await missingPackages(nowhere)).toEqual(['containernetworking-plugins']);
  });
});
