import { describe, expect, test } from '@jest/globals';

import { clusterContext } from '../../test/support/gitaly-cluster.ts';
import { podOf, setOf } from '../../test/support/observed-cluster.ts';
import { fc } from '../../test/support/properties.ts';
import type { Pod } from '../api/kubernetes.ts';
import type { Part } from './object-meta.ts';
import { releaseOf, skippedStop, upgradePathProblem, type Release } from './upgrade-path.ts';

describe('the release of an image', () => {
  test.each([
    ['registry.gitlab.com/gitlab-org/build/cng/gitaly:v18.9.1', { major: 18, minor: 9 }],
    ['registry:5000/gitaly:18.11', { major: 18, minor: 11 }],
    ['gitaly:v18.2.0-ubi', { major: 18, minor: 2 }],
    ['gitaly:v18.2.0@sha256:00ff', { major: 18, minor: 2 }],
  ])('%s is in its tag', (image, release) => {
    expect(releaseOf(image)).toEqual(release);
  });

  test.each(['gitaly', 'gitaly:latest', 'gitaly:18', 'gitaly@sha256:18.9', 'host:18.9/gitaly'])(
    '%s is not known',
    (image) => {
      expect(releaseOf(image)).toBeUndefined();
    },
  );
});

describe('the upgrade path', () => {
  const parse = (text: string): Release => {
    const [major = 0, minor = 0] = text.split('.').map(Number);
    return { major, minor };
  };

  test.each([
    ['18.0', '18.3', '18.2'],
    ['18.2', '18.6', '18.5'],
    ['18.3', '18.11', '18.5'],
    ['17.11', '18.3', '18.2'],
    ['17.9', '18.0', '17.11'],
    ['18.8', '20.1', '18.11'],
    ['18.11', '20.1', '19.2'],
  ])('from %s to %s has a stop at %s', (from, to, stop) => {
    expect(skippedStop(parse(from), parse(to))).toEqual(parse(stop));
  });

  test.each([
    ['18.2', '18.5'],
    ['18.3', '18.5'],
    ['18.9', '18.9'],
    ['17.11', '18.2'],
    ['18.11', '19.0'],
    ['18.5', '18.2'],
    ['19.1', '17.11'],
  ])('from %s to %s has none on it', (from, to) => {
    expect(skippedStop(parse(from), parse(to))).toBeUndefined();
  });

  test('leads everywhere, a stop after the other', () => {
    const release = fc.record({ major: fc.integer({ min: 17, max: 22 }), minor: fc.nat(11) });
    fc.assert(
      fc.property(release, release, (from, to) => {
        let at = from;
        for (let step = 0; step <= 24; step += 1) {
          const stop = skippedStop(at, to);
          if (!stop) return;
          expect(skippedStop(at, stop)).toBeUndefined();
          at = stop;
        }
        throw new Error('it does not end');
      }),
    );
  });
});

describe('an image that must not follow', () => {
  const { template } = setOf(clusterContext(), 'gitaly-default').spec;
  const podWith = (image: string, part: Part = { component: 'storage' }): Pod => {
    const pod = podOf(clusterContext(), 'gitaly-default-0', part);
    const containers = template.spec.containers.map((one) => Object.assign({}, one, { image }));
    return { ...pod, spec: { ...pod.spec, containers } };
  };
  const problemWith = (image: string, pods: readonly Pod[], skippedVersions?: 'Refuse' | 'Allow') =>
    upgradePathProblem(
      clusterContext({
        gitaly: { image },
        ...(skippedVersions && { update: { skippedVersions } }),
      }),
      pods,
    );

  test('is told with the way there', () => {
    const pods = [podWith('gitaly:v18.5.0'), podWith('gitaly:v18.3.1')];
    expect(problemWith('gitaly:v18.7.0', pods)).toBe(
      'gitaly-default-0 has Gitaly 18.3, and spec.gitaly.image is 18.7: upgrade to 18.5 first, which the upgrade path ' +
        'of GitLab does not let anybody skip; or set spec.update.skippedVersions to Allow',
    );
  });

  test.each<[string, string, readonly Pod[], 'Refuse' | 'Allow']>([
    ['there are no pods yet', 'gitaly:v18.7.0', [], 'Refuse'],
    ['no stop is skipped', 'gitaly:v18.7.0', [podWith('gitaly:v18.5.0')], 'Refuse'],
    ['somebody allows it', 'gitaly:v18.7.0', [podWith('gitaly:v18.3.0')], 'Allow'],
    ['the wanted image says nothing', 'gitaly@sha256:aa', [podWith('gitaly:v18.3.0')], 'Refuse'],
    ["the pods' image says nothing", 'gitaly:v18.7.0', [podWith('gitaly:mine')], 'Refuse'],
  ])('is none if %s', (_what, image, pods, skippedVersions) => {
    expect(problemWith(image, pods, skippedVersions)).toBeUndefined();
  });

  test('is none for pods that are not of storages', () => {
    const pods = [podWith('gitaly:v16.0.0', { component: 'proxy' })];
    expect(problemWith('gitaly:v18.7.0', pods)).toBeUndefined();
  });
});
