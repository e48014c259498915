import { describe, expect, it } from '@jest/globals';
import { testbedPaths } from './paths.ts';

describe('folders', () => {
  it('lie below the cache folder of the user', () => {
    const paths = testbedPaths({ XDG_CACHE_HOME: '/cache' });
    expect(paths.cache).toBe('/cache/gitaly-operator/testbed/cache');
    expect(paths.state).toBe('/cache/gitaly-operator/testbed/state');
  });

  it('follow TESTBED_STATE for the state alone', () => {
    const paths = testbedPaths({ XDG_CACHE_HOME: '/cache', TESTBED_STATE: '/state' });
    expect(paths.state).toBe('/state');
    expect(paths.cache).toBe('/cache/gitaly-operator/testbed/cache');
  });

  it('fall back to the home folder', () => {
    expect(testbedPaths({ XDG_CACHE_HOME: '' }).cache).toMatch(/\.cache\/gitaly-operator\/testbed/);
  });
});
