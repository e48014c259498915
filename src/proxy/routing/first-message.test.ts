import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { describe, expect, it } from '@jest/globals';
import { fc } from '../../../test/support/properties.ts';
import { LinkRepositoryToObjectPoolRequestSchema } from '../../gen/gitaly/objectpool_pb.ts';
import { UserCommitFilesRequestSchema } from '../../gen/gitaly/operations_pb.ts';
import { WriteRefRequestSchema } from '../../gen/gitaly/repository_pb.ts';
import { RepositorySchema } from '../../gen/gitaly/shared_pb.ts';
import { readTarget, rewriteRepository } from './first-message.ts';
import { lookupMethod } from './method-table.ts';
import { MalformedMessageError } from './protobuf-fields.ts';

const writeRef = lookupMethod('/gitaly.RepositoryService/WriteRef');
const commitFiles = lookupMethod('/gitaly.OperationService/UserCommitFiles');
const linkPool = lookupMethod('/gitaly.ObjectPoolService/LinkRepositoryToObjectPool');

const repositories = fc.record({
  storageName: fc.string(),
  relativePath: fc.string(),
  gitObjectDirectory: fc.string(),
  gitAlternateObjectDirectories: fc.array(fc.string()),
  glRepository: fc.string(),
  glProjectPath: fc.string(),
});
const bytes = fc.uint8Array({ maxLength: 200 });

function withoutReserve(message: Buffer, reserve: number): Uint8Array {
  return Uint8Array.from(message.subarray(reserve));
}

describe('reading and rewriting the first message', () => {
  it('changes storage and path, and nothing else', () => {
    fc.assert(
      fc.property(repositories, bytes, fc.nat(9), (repository, revision, reserve) => {
        const request = create(WriteRefRequestSchema, { repository, revision });
        const encoded = Buffer.from(toBinary(WriteRefRequestSchema, request));
        const quarantine = repository.gitObjectDirectory;
        expect(readTarget(encoded, writeRef)).toEqual({
          kind: 'ok',
          storage: repository.storageName,
          relativePath: repository.relativePath,
          ...(quarantine !== '' && { quarantine }),
        });
        const target = { storage: 'gitaly-0', relativePath: '@cluster/repositories/6b/86/1' };
        const rewritten = rewriteRepository(encoded, writeRef, target, undefined, reserve);
        const decoded = fromBinary(WriteRefRequestSchema, withoutReserve(rewritten, reserve));
        expect(decoded).toEqual(
          create(WriteRefRequestSchema, {
            repository: {
              ...repository,
              storageName: target.storage,
              relativePath: target.relativePath,
            },
            revision,
          }),
        );
      }),
    );
  });

  it('finds the repository inside a header', () => {
    const request = create(UserCommitFilesRequestSchema, {
      userCommitFilesRequestPayload: {
        case: 'header',
        value: { repository: { storageName: 'default', relativePath: 'a.git' } },
      },
    });
    const encoded = Buffer.from(toBinary(UserCommitFilesRequestSchema, request));
    expect(readTarget(encoded, commitFiles)).toMatchObject({ storage: 'default' });
    const target = { storage: 's', relativePath: 'r' };
    const rewritten = rewriteRepository(encoded, commitFiles, target, undefined, 0);
    expect(readTarget(rewritten, commitFiles)).toMatchObject(target);
  });

  it('rewrites the second repository where it stands in a pool', () => {
    const request = create(LinkRepositoryToObjectPoolRequestSchema, {
      objectPool: { repository: { storageName: 'default', relativePath: '@pools/a.git' } },
      repository: { storageName: 'default', relativePath: 'a.git' },
    });
    const encoded = Buffer.from(toBinary(LinkRepositoryToObjectPoolRequestSchema, request));
    const target = { storage: 's', relativePath: 'r' };
    const additional = { storage: 's', relativePath: 'p' };
    const rewritten = rewriteRepository(encoded, linkPool, target, additional, 0);
    expect(readTarget(rewritten, linkPool)).toEqual({ kind: 'ok', ...target, additional });
  });

  it('merges a repository that comes in pieces, as protobuf does', () => {
    const piece = (storageName: string, relativePath: string) =>
      toBinary(
        WriteRefRequestSchema,
        create(WriteRefRequestSchema, { repository: { storageName, relativePath } }),
      );
    const encoded = Buffer.concat([piece('first', 'kept.git'), piece('second', '')]);
    expect(readTarget(encoded, writeRef)).toEqual({
      kind: 'ok',
      storage: 'second',
      relativePath: 'kept.git',
    });
  });

  it('tells the quarantine of a repository that comes in pieces by the last one that has the field', () => {
    const piece = (fields: { relativePath?: string; gitObjectDirectory?: string }) =>
      toBinary(WriteRefRequestSchema, create(WriteRefRequestSchema, { repository: fields }));
    const first = piece({ relativePath: 'a.git', gitObjectDirectory: 'objects/first' });
    const second = piece({ gitObjectDirectory: 'objects/second' });
    const quarantineOf = (...pieces: Uint8Array[]) => {
      const target = readTarget(Buffer.concat(pieces), writeRef);
      return target.kind === 'ok' ? target.quarantine : target.kind;
    };
    expect(quarantineOf(first)).toBe('objects/first');
    expect(quarantineOf(first, second, piece({ relativePath: 'b.git' }))).toBe('objects/second');
    expect(quarantineOf(piece({ relativePath: 'a.git' }))).toBeUndefined();
  });

  it('tells when there is no repository', () => {
    expect(readTarget(Buffer.alloc(0), writeRef)).toEqual({ kind: 'missing' });
  });

  it('answers damaged bytes with an error, never with a read outside of them', () => {
    const valid = Buffer.from(
      toBinary(
        WriteRefRequestSchema,
        create(WriteRefRequestSchema, {
          repository: create(RepositorySchema, { storageName: 'default', relativePath: 'a.git' }),
          revision: new Uint8Array(40),
        }),
      ),
    );
    const damage = fc.array(fc.tuple(fc.nat(valid.length - 1), fc.nat(255)), { minLength: 1 });
    fc.assert(
      fc.property(damage, fc.nat(valid.length), (changes, length) => {
        const damaged = Buffer.from(valid.subarray(0, length));
        for (const [position, value] of changes) if (position < length) damaged[position] = value;
        const outcome = readTarget(damaged, writeRef);
        expect(['ok', 'missing', 'malformed']).toContain(outcome.kind);
        const rewrite = () =>
          rewriteRepository(damaged, writeRef, { storage: 's', relativePath: 'r' }, undefined, 5);
        if (outcome.kind === 'malformed') expect(rewrite).toThrow(MalformedMessageError);
        else expect(rewrite().length).toBeLessThan(length + 20);
      }),
      { numRuns: 2000 },
    );
  });
});
