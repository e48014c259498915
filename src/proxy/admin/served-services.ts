import type { DescFile, DescService } from '@bufbuild/protobuf';
import { BlobService } from '../../gen/gitaly/blob_pb.ts';
import { CommitService } from '../../gen/gitaly/commit_pb.ts';
import { file_gitaly_errors } from '../../gen/gitaly/errors_pb.ts';
import { InternalGitaly } from '../../gen/gitaly/internal_pb.ts';
import { ObjectPoolService } from '../../gen/gitaly/objectpool_pb.ts';
import { OperationService } from '../../gen/gitaly/operations_pb.ts';
import { PraefectInfoService } from '../../gen/gitaly/praefect_pb.ts';
import { RefService } from '../../gen/gitaly/ref_pb.ts';
import { RepositoryService } from '../../gen/gitaly/repository_pb.ts';
import { ServerService } from '../../gen/gitaly/server_pb.ts';
import { SmartHTTPService } from '../../gen/gitaly/smarthttp_pb.ts';
import { SSHService } from '../../gen/gitaly/ssh_pb.ts';
import { AdminService } from '../../gen/gitaly_operator/v1/admin_pb.ts';
import { file_google_rpc_status } from '../../gen/google/rpc/status_pb.ts';
import { Health } from '../../gen/grpc/health/v1/health_pb.ts';
import { ServerReflection } from '../../gen/grpc/reflection/v1/reflection_pb.ts';
import { ServerReflection as ServerReflectionAlpha } from '../../gen/grpc/reflection/v1alpha/reflection_pb.ts';
import { knownMethods } from '../routing/method-table.ts';

/** The services that this project has descriptors of: those methods and fields that it uses itself. */
export const describedServices: readonly DescService[] = [
  AdminService,
  BlobService,
  CommitService,
  Health,
  InternalGitaly,
  ObjectPoolService,
  OperationService,
  PraefectInfoService,
  RefService,
  RepositoryService,
  SSHService,
  ServerReflection,
  ServerReflectionAlpha,
  ServerService,
  SmartHTTPService,
];

/** Files with messages that no method names: the details of errors. */
export const furtherFiles: readonly DescFile[] = [file_gitaly_errors, file_google_rpc_status];

/** Votes are taken only on the connections that the proxy makes to storages. */
const notServed = 'gitaly.RefTransaction';

/** The names of all services that a client may call, described or not. */
export const servedServices: ReadonlySet<string> = new Set(
  [
    ...describedServices.map(({ typeName }) => typeName),
    ...knownMethods.map(({ name }) => name.slice(1, name.lastIndexOf('/'))),
  ]
    .filter((name) => name !== notServed)
    .toSorted(),
);
