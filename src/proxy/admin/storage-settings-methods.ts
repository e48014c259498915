import { AdminService, type StorageStatus } from '../../gen/gitaly_operator/v1/admin_pb.ts';
import { statusCodes } from '../../rpc/status.ts';
import type { RelayContext } from '../relay/context.ts';
import { LocalCallError, unaryMethod, type LocalMethod } from '../relay/local-method.ts';
import type { StorageWeighing } from '../upstream/storage-directory.ts';
import { storageKeyOf } from './storage-key.ts';

/** A hundred times as often as to most others is as good as always. */
const maxWeight = 10_000;

/** What a label in Kubernetes may be long. */
const maxZoneLength = 63;

/** The methods of AdminService with which somebody says something of a storage that is to hold. */
export function storageSettingsMethods({
  store,
  storages,
  logger,
}: RelayContext): readonly LocalMethod[] {
  return [
    unaryMethod(AdminService.method.setStorageWeight, async (request) => {
      const key = storageKeyOf(request, storages);
      const { weight } = request;
      if (weight !== undefined && weight > maxWeight) {
        throw invalid(`a weight is a number of 0 to ${maxWeight}`);
      }
      await store.weights.set(key, weight);
      logger.info({ ...key, weight: weight ?? 'auto' }, 'the weight of a storage is set');
      return {};
    }),
    unaryMethod(AdminService.method.setStorageZone, async (request) => {
      const key = storageKeyOf(request, storages);
      const { zone } = request;
      if (zone.length > maxZoneLength) {
        throw invalid(`a zone is a text of ${maxZoneLength} characters at most`);
      }
      await store.zones.set(key, zone === '' ? undefined : zone);
      logger.info({ ...key, zone }, 'the zone of a storage is set');
      return {};
    }),
  ];
}

function invalid(message: string): LocalCallError {
  return new LocalCallError(statusCodes.INVALID_ARGUMENT, message);
}

/** What GetStatus tells of a storage's weight. */
export function describeWeight({
  configuredWeight,
  disk,
  weight,
  isFull,
}: StorageWeighing): Pick<
  StorageStatus,
  'configuredWeight' | 'weight' | 'full' | 'freeBytes' | 'totalBytes'
> {
  return {
    ...(configuredWeight !== 'auto' && { configuredWeight }),
    weight,
    full: isFull,
    freeBytes: BigInt(disk?.freeBytes ?? 0),
    totalBytes: BigInt(disk?.totalBytes ?? 0),
  };
}
