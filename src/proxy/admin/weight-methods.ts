import { AdminService, type StorageStatus } from '../../gen/gitaly_operator/v1/admin_pb.ts';
import { statusCodes } from '../../rpc/status.ts';
import type { RelayContext } from '../relay/context.ts';
import { LocalCallError, unaryMethod, type LocalMethod } from '../relay/local-method.ts';
import type { StorageWeighing } from '../upstream/storage-directory.ts';
import { storageKeyOf } from './storage-key.ts';

/** A hundred times as often as to most others is as good as always. */
const maxWeight = 10_000;

/** The method of AdminService with which people set weights. */
export function weightMethods({ store, storages, logger }: RelayContext): readonly LocalMethod[] {
  return [
    unaryMethod(AdminService.method.setStorageWeight, async (request) => {
      const key = storageKeyOf(request, storages);
      const { weight = 'auto' } = request;
      if (weight !== 'auto' && weight > maxWeight) {
        throw new LocalCallError(
          statusCodes.INVALID_ARGUMENT,
          `a weight is a number of 0 to ${maxWeight}`,
        );
      }
      await store.weights.set(key, weight);
      logger.info({ ...key, weight }, 'the weight of a storage is set');
      return {};
    }),
  ];
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
