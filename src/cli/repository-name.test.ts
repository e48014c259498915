import { describe, expect, test } from '@jest/globals';
import { parseRepositoryName } from './repository-name.ts';

describe('the name of a repository', () => {
  test.each(['default/group/project.git', '/default/group/project.git'])(
    '%s is understood',
    (text) => {
      expect(parseRepositoryName(text)).toEqual({
        virtualStorage: 'default',
        relativePath: 'group/project.git',
      });
    },
  );

  test.each(['', '/', 'default', 'default/', '//a.git', 'default/../a.git', 'default/a//b.git'])(
    '%p is refused with an example',
    (text) => {
      expect(() => parseRepositoryName(text)).toThrow('like default/group/project.git');
    },
  );
});
