import type { Pod } from '../api/kubernetes.ts';
import type { ClusterContext } from './cluster-context.ts';
import { gitalyContainer } from './gitaly-stateful-set.ts';
import { podsOf } from './status/pods-of.ts';

/** Of what a release of GitLab is compatible with, its patch says nothing. */
export interface Release {
  readonly major: number;
  readonly minor: number;
}

/**
 * The releases of each major version that GitLab does not let anybody skip on the way up, since 17.5: what a later
 * one has no code for any more is brought into its form by them. See https://docs.gitlab.com/update/upgrade_paths.
 */
const stops: readonly number[] = [2, 5, 8, 11];

/** The release in an image's tag, such as 18.9 of `registry:5000/gitaly:v18.9.1-ubi`; undefined if it says none. */
export function releaseOf(image: string): Release | undefined {
  const [name = ''] = image.split('@');
  const tag = /:([^:/]+)$/.exec(name)?.[1] ?? '';
  const [, major, minor] = /^v?(\d+)\.(\d+)(?:[.-]|$)/.exec(tag) ?? [];
  return major === undefined ? undefined : { major: Number(major), minor: Number(minor) };
}

/** The first release between the two that must not be skipped; undefined if there is none, or it is the way back. */
export function skippedStop(from: Release, to: Release): Release | undefined {
  const majors = Array.from(
    { length: Math.max(0, to.major - from.major + 1) },
    (_, number) => from.major + number,
  );
  return majors
    .flatMap((major) => stops.map((minor) => ({ major, minor })))
    .find((stop) => isBefore(from, stop) && isBefore(stop, to));
}

/**
 * Why the image that the spec asks for must not follow on one that a storage has, for a person; undefined if it may, or
 * if the images do not say of which release they are.
 */
export function upgradePathProblem(
  context: ClusterContext,
  pods: readonly Pod[],
): string | undefined {
  const { gitaly, update } = context.spec;
  const to = releaseOf(gitaly.image);
  if (!to || update.skippedVersions === 'Allow') return undefined;
  for (const { metadata, spec } of podsOf(context, pods, { component: 'storage' })) {
    const image = spec.containers.find(({ name }) => name === gitalyContainer)?.image;
    const from = releaseOf(image ?? '');
    const stop = from && skippedStop(from, to);
    if (!stop) continue;
    return (
      `${metadata.name} has Gitaly ${text(from)}, and spec.gitaly.image is ${text(to)}: upgrade to ${text(stop)} first, ` +
      'which the upgrade path of GitLab does not let anybody skip; or set spec.update.skippedVersions to Allow'
    );
  }
  return undefined;
}

function isBefore(a: Release, b: Release): boolean {
  return a.major < b.major || (a.major === b.major && a.minor < b.minor);
}

function text({ major, minor }: Release): string {
  return `${major}.${minor}`;
}
