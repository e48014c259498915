import type { DescService } from '@bufbuild/protobuf';
import { BlobService } from '../gen/gitaly/blob_pb.ts';
import { CommitService } from '../gen/gitaly/commit_pb.ts';
import { InternalGitaly } from '../gen/gitaly/internal_pb.ts';
import { ObjectPoolService } from '../gen/gitaly/objectpool_pb.ts';
import { PraefectInfoService } from '../gen/gitaly/praefect_pb.ts';
import { RefService } from '../gen/gitaly/ref_pb.ts';
import { RepositoryService } from '../gen/gitaly/repository_pb.ts';
import { ServerService } from '../gen/gitaly/server_pb.ts';
import { SmartHTTPService } from '../gen/gitaly/smarthttp_pb.ts';
import { AdminService } from '../gen/gitaly_operator/v1/admin_pb.ts';

/** Methods of one service. */
interface MethodsOf {
  readonly service: DescService;
  readonly methods: readonly string[];
}

/** The methods that change nothing, and may be made again whatever became of the first attempt. */
const reads: readonly MethodsOf[] = [
  methodsOf(RepositoryService, [
    'repositoryExists',
    'repositorySize',
    'getObjectDirectorySize',
    'calculateChecksum',
    'createBundle',
  ]),
  methodsOf(RefService, ['findDefaultBranchName', 'refExists', 'listRefs']),
  methodsOf(CommitService, ['findCommit']),
  methodsOf(BlobService, ['getBlob']),
  methodsOf(ObjectPoolService, ['getObjectPool']),
  methodsOf(SmartHTTPService, ['infoRefsUploadPack', 'infoRefsReceivePack']),
  methodsOf(InternalGitaly, ['walkRepos']),
  methodsOf(ServerService, ['serverInfo', 'diskStatistics', 'readinessCheck', 'serverSignature']),
  methodsOf(PraefectInfoService, ['repositoryReplicas', 'dataloss', 'getRepositoryMetadata']),
  methodsOf(AdminService, ['getStatus', 'listRepositories', 'listPlacements', 'planRebalance']),
];

function methodsOf<Service extends DescService>(
  service: Service,
  methods: readonly (keyof Service['method'] & string)[],
): MethodsOf {
  return { service, methods };
}

/**
 * The service config of gRPC (grpc repository, `doc/service_config.md`) for Gitaly's clients: calls
 * are spread over all addresses; a read that ends UNAVAILABLE before its first answer is tried up
 * to three more times, within 2 to 3 seconds. A write is not in it: gRPC itself tries it again only
 * if the server certainly never saw it.
 */
export function serviceConfig(): string {
  const name = reads.flatMap(({ service, methods }) =>
    methods.map((method) => ({
      service: service.typeName,
      method: service.method[method]?.name,
    })),
  );
  const retryPolicy = {
    maxAttempts: 4,
    initialBackoff: '0.4s',
    maxBackoff: '1.4s',
    backoffMultiplier: 2,
    retryableStatusCodes: ['UNAVAILABLE'],
  };
  return JSON.stringify({
    loadBalancingConfig: [{ round_robin: {} }],
    methodConfig: [{ name, retryPolicy }],
  });
}
