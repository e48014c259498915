import { describe, expect, it } from '@jest/globals';
import { conflictsAmong, isGoRecent, judge, type MachineFacts } from './requirements.ts';

const good: MachineFacts = {
  platform: 'linux',
  architecture: 'x64',
  isRoot: true,
  hasNamespaces: true,
  hasCgroups: true,
  goVersion: 'go1.26.8',
  hasBinaries: false,
  hasApt: true,
  missingPackages: [],
  unfitStateFolder: undefined,
  conflictingRoutes: [],
};

const reasons = (changes: Partial<MachineFacts>): string => {
  const verdict = judge({ ...good, ...changes });
  return verdict.kind === 'ok' ? '' : verdict.reasons.join('\n');
};

describe('the judgement of a machine', () => {
  it('accepts one that has all it needs', () => {
    expect(judge(good)).toEqual({ kind: 'ok' });
  });

  it('gives one reason only where nothing else matters', () => {
    expect(judge({ ...good, platform: 'darwin', isRoot: false })).toEqual({
      kind: 'unsupported',
      reasons: ['it needs Linux, and this is darwin'],
    });
  });

  it('gives all reasons at once', () => {
    const text = reasons({ hasNamespaces: false, hasCgroups: false, goVersion: undefined });
    expect(text).toContain('namespaces');
    expect(text).toContain('cgroup');
    expect(text).toContain('Go 1.26');
  });

  it('asks for root and not for what only root can find out', () => {
    expect(reasons({ isRoot: false, hasNamespaces: false, hasCgroups: false })).toBe(
      'it needs root, for network namespaces and containers: run it with sudo',
    );
  });

  it('needs no Go once Kubernetes is built', () => {
    expect(reasons({ goVersion: undefined, hasBinaries: true })).toBe('');
    expect(reasons({ goVersion: 'go1.24.1' })).toContain('this is go1.24.1');
  });

  it('minds missing packages only where it can not install them itself', () => {
    const missing = { missingPackages: ['containerd', 'runc'] };
    expect(reasons(missing)).toBe('');
    const command = 'apt-get install --no-install-recommends containerd runc';
    expect(reasons({ ...missing, hasApt: false })).toContain(command);
    expect(reasons({ ...missing, isRoot: false })).toContain(command);
  });

  it('names a state folder that can not carry images, and routes that are in the way', () => {
    expect(reasons({ unfitStateFolder: '/overlay' })).toContain('TESTBED_STATE');
    expect(reasons({ conflictingRoutes: ['198.18.0.0/16 dev eth1'] })).toContain('eth1');
  });
});

describe('a version of Go', () => {
  it('is compared by numbers', () => {
    expect(isGoRecent('go1.26')).toBe(true);
    expect(isGoRecent('go1.100.3')).toBe(true);
    expect(isGoRecent('go2.0')).toBe(true);
    expect(isGoRecent('go1.9')).toBe(false);
    expect(isGoRecent('devel +abc')).toBe(false);
    expect(isGoRecent(undefined)).toBe(false);
  });
});

describe('routes', () => {
  it("conflict inside our range, unless they are the testbed's own", () => {
    const routes = [
      'default via 192.0.2.1 dev eth0',
      '198.18.0.0/15 via 198.18.1.2 dev gitaly-testbed',
      '198.18.1.0/30 dev gitaly-testbed proto kernel scope link src 198.18.1.1',
      '198.19.5.0/24 dev vpn0',
      '198.180.0.0/16 dev eth1',
    ];
    expect(conflictsAmong(routes.join('\n'))).toEqual(['198.19.5.0/24 dev vpn0']);
  });
});
