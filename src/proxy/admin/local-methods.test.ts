import { expect, test } from '@jest/globals';
import type { RelayContext } from '../relay/context.ts';
import { methodRows } from '../routing/conformance/method-rows.ts';
import type { Verifications, VolumeAcceptance } from './admin-methods.ts';
import { localMethods } from './local-methods.ts';
import { ServingState } from './serving-state.ts';

/** Nothing is asked before a method is called. */
const context = {} as RelayContext;
const volumes = {} as VolumeAcceptance;
const verifications = {} as Verifications;

/** What Praefect answers itself, and the proxy does not. Why, stands in docs/limits.md. */
const notLocal = new Set([
  // Storages vote on the connections that the proxy makes to them; nobody else has a vote.
  'RefTransaction/VoteTransaction',
  'RefTransaction/StopTransaction',
]);

/** What Praefect forwards, and the proxy does in steps of its own. */
const alsoLocal = ['/gitaly.ObjectPoolService/CreateObjectPool'];

test('of the methods of Gitaly, exactly those that Praefect answers are answered here', () => {
  const local = localMethods(context, new ServingState(), volumes, verifications).map(
    ({ path }) => path,
  );
  expect(local.filter((path) => path.startsWith('/gitaly.')).toSorted()).toEqual(
    methodRows
      .filter(({ name, served }) => served === 'local' && !notLocal.has(name))
      .map(({ name }) => `/gitaly.${name}`)
      .concat(alsoLocal)
      .toSorted(),
  );
  expect(new Set(local).size).toBe(local.length);
});
