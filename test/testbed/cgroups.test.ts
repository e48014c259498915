import { describe, expect, it } from '@jest/globals';
import { parseHierarchies } from './cgroups.ts';

describe('the hierarchies of control groups', () => {
  it('is one on machines with version 2', () => {
    const mountinfo =
      '30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n' +
      '31 23 0:27 / /sys/fs/pstore rw shared:5 - pstore pstore rw\n';
    expect(parseHierarchies(mountinfo)).toEqual([{ version: 2, path: '/sys/fs/cgroup' }]);
  });

  it('are several on machines between the versions, with or without optional fields', () => {
    const mountinfo =
      '24 22 0:21 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n' +
      '25 24 0:22 / /sys/fs/cgroup/cpu rw shared:1 master:2 - cgroup cgroup rw,cpu\n' +
      '26 24 0:23 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n';
    expect(parseHierarchies(mountinfo)).toEqual([
      { version: 1, path: '/sys/fs/cgroup/cpu' },
      { version: 2, path: '/sys/fs/cgroup/unified' },
    ]);
  });

  it('leaves out those that are mounted elsewhere, in containers for example', () => {
    expect(parseHierarchies('9 1 0:9 / /var/lib/x/cgroup rw - cgroup2 cgroup2 rw')).toEqual([]);
    expect(parseHierarchies('')).toEqual([]);
  });
});
