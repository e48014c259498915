import type { RelayContext } from '../relay/context.ts';
import type { LocalMethod } from '../relay/local-method.ts';
import { adminMethods } from './admin-methods.ts';
import { healthMethods } from './health-methods.ts';
import { internalMethods } from './internal-methods.ts';
import { objectPoolMethods } from './object-pool-methods.ts';
import { praefectInfoMethods } from './praefect-info-methods.ts';
import { repositoryMethods } from './repository-methods.ts';
import { serverMethods } from './server-methods.ts';

/**
 * Every method that the proxy answers itself.
 *
 * @param isServing whether the health service should say so
 */
export function localMethods(
  context: RelayContext,
  isServing: () => boolean,
): readonly LocalMethod[] {
  return [
    ...healthMethods(isServing),
    ...repositoryMethods(context),
    ...objectPoolMethods(context),
    ...serverMethods(context),
    ...internalMethods(context),
    ...praefectInfoMethods(context),
    ...adminMethods(context),
  ];
}
