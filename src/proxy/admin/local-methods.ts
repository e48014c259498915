import type { RelayContext } from '../relay/context.ts';
import type { LocalMethod } from '../relay/local-method.ts';
import { adminMethods, type Verifications, type VolumeAcceptance } from './admin-methods.ts';
import { drainMethods } from './drain-methods.ts';
import { healthMethods } from './health-methods.ts';
import { internalMethods } from './internal-methods.ts';
import { objectPoolMethods } from './object-pool-methods.ts';
import { praefectInfoMethods } from './praefect-info-methods.ts';
import { rebalanceMethods } from './rebalance-methods.ts';
import { reflectionMethods } from './reflection-methods.ts';
import { repositoryMethods } from './repository-methods.ts';
import { serverMethods } from './server-methods.ts';
import type { ServingState } from './serving-state.ts';
import { storageSettingsMethods } from './storage-settings-methods.ts';

/** Every method that the proxy answers itself. */
export function localMethods(
  context: RelayContext,
  serving: ServingState,
  volumes: VolumeAcceptance,
  verifications: Verifications,
): readonly LocalMethod[] {
  return [
    ...healthMethods(serving),
    ...repositoryMethods(context),
    ...objectPoolMethods(context),
    ...serverMethods(context),
    ...internalMethods(context),
    ...praefectInfoMethods(context),
    ...adminMethods(context, volumes, verifications),
    ...drainMethods(context),
    ...storageSettingsMethods(context),
    ...rebalanceMethods(context),
    ...reflectionMethods(),
  ];
}
