import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { FindDefaultBranchNameRequestSchema } from '../../src/gen/gitaly/ref_pb.ts';

/** A request of any method that has the repository at field 1, and nothing else. */
export function requestAbout(
  relativePath: string,
  storageName = 'default',
  rest: {
    readonly gitObjectDirectory?: string;
    readonly gitAlternateObjectDirectories?: string[];
  } = {},
): Uint8Array {
  const repository = { storageName, relativePath, ...rest };
  const schema = FindDefaultBranchNameRequestSchema;
  return toBinary(schema, create(schema, { repository }));
}

/** The repository in a request like {@link requestAbout}'s. */
export function repositoryIn(message: Uint8Array) {
  return fromBinary(FindDefaultBranchNameRequestSchema, message).repository;
}
