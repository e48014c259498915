const byMethod: Readonly<Record<string, number>> = {
  '/gitaly.SmartHTTPService/PostUploadPackWithSidechannel': 10,
  '/gitaly.SmartHTTPService/PostReceivePack': 10,
  '/gitaly.SSHService/SSHUploadPackWithSidechannel': 10,
  '/gitaly.SSHService/SSHReceivePack': 10,
  '/gitaly.ServerService/ServerInfo': 0,
};

const mutatorCost = 5;
const maintenanceCost = 3;
const accessorCost = 1;

const mutators = new Set([
  'CreateRepository',
  'RemoveRepository',
  'ReplicateRepository',
  'WriteRef',
  'UpdateReferences',
  'DeleteRefs',
  'UserCreateBranch',
  'UserDeleteBranch',
  'UserCommitFiles',
  'CreateObjectPool',
  'DeleteObjectPool',
  'LinkRepositoryToObjectPool',
  'DisconnectGitAlternates',
  'FetchIntoObjectPool',
  'CreateFork',
]);

/** `x-gitaly-cost`: a weight for the method, and one more for each started MiB of payload. */
export function costOf(path: string, payloadBytes: number): number {
  return baseCost(path) + Math.ceil(payloadBytes / (1024 * 1024));
}

function baseCost(path: string): number {
  const fixed = byMethod[path];
  if (fixed !== undefined) return fixed;
  const method = path.slice(path.lastIndexOf('/') + 1);
  if (mutators.has(method)) return mutatorCost;
  return method === 'OptimizeRepository' ? maintenanceCost : accessorCost;
}
