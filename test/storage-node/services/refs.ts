import {
  type ListRefsRequest,
  ListRefsRequest_SortBy_Key as SortKey,
  RefService,
} from '../../../src/gen/gitaly/ref_pb.ts';
import { SortDirection } from '../../../src/gen/gitaly/shared_pb.ts';
import { referenceFault } from '../git/ref-names.ts';
import { type Handler, serverStreaming, unary } from '../grpc/handler.ts';
import { Code, RpcError } from '../grpc/status.ts';
import { type ServiceContext, invalidArgument } from './context.ts';

const { method } = RefService;

/** So many references go into one message. */
const chunkSize = 500;

/** RefService: what references there are. */
export function refReadHandlers({ git, storages }: ServiceContext): Handler[] {
  return [
    unary(method.findDefaultBranchName, async ({ repository }) => {
      const { path, quarantine: env } = await storages.find(repository);
      const { stdout } = await git.run(path, ['symbolic-ref', '--quiet', 'HEAD'], { env });
      return { name: stdout.subarray(0, Math.max(0, stdout.length - 1)) };
    }),

    unary(method.refExists, async ({ repository, ref }) => {
      const { path, quarantine: env } = await storages.find(repository);
      const name = Buffer.from(ref).toString();
      if (referenceFault(name) !== undefined) throw invalidArgument('invalid refname');
      const { exitCode } = await git.run(path, ['show-ref', '--verify', '--quiet', name], { env });
      return { value: exitCode === 0 };
    }),

    serverStreaming(method.listRefs, async (request, { signal }, send) => {
      const { path, quarantine: env } = await storages.find(request.repository);
      if (request.patterns.length === 0)
        throw invalidArgument('patterns must have at least one entry');
      const references: Reference[] = [];
      if (request.head) {
        const head = await git.run(path, ['rev-parse', '--quiet', '--verify', 'HEAD'], { env });
        const target = head.stdout.toString().trim();
        if (head.exitCode === 0)
          references.push({ name: Buffer.from('HEAD'), target, peeledTarget: '' });
      }
      const result = await git.run(path, listArguments(request), { signal, env });
      if (result.exitCode !== 0) {
        throw new RpcError(Code.INTERNAL, `listing failed: exit status ${result.exitCode}`);
      }
      references.push(...parseReferences(result.stdout));
      for (let at = 0; at < references.length; at += chunkSize) {
        await send({ references: references.slice(at, at + chunkSize) });
      }
    }),
  ];
}

interface Reference {
  readonly name: Buffer;
  readonly target: string;
  readonly peeledTarget: string;
}

function listArguments(request: ListRefsRequest): string[] {
  const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();
  const peeled = request.peelTags ? ' %(*objectname)' : '';
  const flags = [`--format=%(objectname) %(refname)${peeled}`];
  if (request.sortBy) {
    const descending = request.sortBy.direction === SortDirection.DESCENDING ? '-' : '';
    flags.push(`--sort=${descending}${sortFields[request.sortBy.key]}`);
  }
  if (request.ignoreCase) flags.push('--ignore-case');
  if (request.paginationParams && request.paginationParams.limit > 0) {
    flags.push(`--count=${request.paginationParams.limit}`);
  }
  for (const id of request.pointingAtOids) flags.push(`--points-at=${text(id)}`);
  for (const pattern of request.excludePatterns) flags.push(`--exclude=${text(pattern)}`);
  return ['for-each-ref', ...flags, '--', ...request.patterns.map(text)];
}

const sortFields: Readonly<Record<SortKey, string>> = {
  [SortKey.REFNAME]: 'refname',
  [SortKey.CREATORDATE]: 'creatordate',
  [SortKey.AUTHORDATE]: 'authordate',
  [SortKey.COMMITTERDATE]: 'committerdate',
};

function parseReferences(output: Buffer): Reference[] {
  const lines = output.toString('latin1').split('\n');
  return lines
    .filter((line) => line !== '')
    .map((line) => {
      const [target = '', name = '', peeledTarget = ''] = line.split(' ');
      return { name: Buffer.from(name, 'latin1'), target, peeledTarget };
    });
}
