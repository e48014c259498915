import { beforeEach, describe, expect, it } from '@jest/globals';
import { RecordingLogger } from '../../../test/support/recording-logger.ts';
import { nodesOf, recordWith } from '../../../test/support/repository-records.ts';
import { deferred } from '../../base/deferred.ts';
import { statusCodes } from '../../rpc/status.ts';
import type { NodeView } from '../routing/node-view.ts';
import { UpstreamError } from '../upstream/unary-call.ts';
import { headerField } from '../wire/hpack/header-field.ts';
import { QuarantineHolders } from './quarantine-holders.ts';

const directory = 'objects/tmp_objdir-incoming-x';
const metadata = [headerField('x-gitlab-correlation-id', '01HX')];

/** What a storage says: whether it has the folder, or nothing at all. */
type Answer = () => Promise<boolean>;
const there: Answer = async () => true;
const notThere: Answer = async () => false;
const failing: Answer = async () => {
  throw new UpstreamError('GetObjectDirectorySize', {
    code: statusCodes.UNAVAILABLE,
    message: 'lost',
  });
};
const silent: Answer = () => new Promise(() => {});

let asked: string[];
let logger: RecordingLogger;
let holders: QuarantineHolders;
beforeEach(() => {
  asked = [];
  logger = new RecordingLogger();
  holders = new QuarantineHolders({ logger });
});

/** Looks for a folder on `a`, the primary, `b` and `c`. */
function find(
  answers: Readonly<Record<string, Answer>>,
  options: { directory?: string; id?: bigint; nodes?: NodeView } = {},
): Promise<string | undefined> {
  const { nodes = nodesOf(['a', 'b', 'c']), id = 1n } = options;
  return holders.find({
    record: recordWith({ id }),
    directory: options.directory ?? directory,
    storages: {
      nodes: () => nodes,
      control: (storage) => ({
        hasObjectDirectory(replicaPath, name, { metadata: sent }) {
          asked.push(storage);
          expect(replicaPath).toBe(recordWith().replicaPath);
          expect(name).toBe(options.directory ?? directory);
          expect(sent).toBe(metadata);
          return (answers[storage] ?? notThere)();
        },
      }),
    },
    metadata,
  });
}

describe('the storage with a quarantine', () => {
  it('is the primary if that has it, and nobody else is asked, nor anything logged', async () => {
    expect(await find({ a: there })).toBe('a');
    expect(asked).toEqual(['a']);
    expect(logger.entries).toEqual([]);
  });

  it('is another one if the primary has moved since, which the log tells', async () => {
    expect(await find({ c: there })).toBe('c');
    expect(asked).toEqual(['a', 'b', 'c']);
    expect(logger.entries).toMatchObject([
      { level: 'info', fields: { storage: 'c', primary: 'a', directory } },
    ]);
  });

  it('is found although the primary fails and another one does not answer', async () => {
    expect(await find({ a: failing, b: silent, c: there })).toBe('c');
  });

  it('is asked for once, by however many reads', async () => {
    const answer = deferred<boolean>();
    const first = [find({ a: () => answer.promise }), find({ a: there })];
    answer.resolve(true);
    expect(await Promise.all(first)).toEqual(['a', 'a']);
    expect(await find({})).toBe('a');
    expect(asked).toEqual(['a']);
  });

  it('is its own for each folder and each repository', async () => {
    expect(await find({ a: there })).toBe('a');
    expect(await find({ b: there }, { directory: 'objects/other' })).toBe('b');
    expect(await find({ c: there }, { id: 2n })).toBe('c');
    expect(await find({})).toBe('a');
  });

  it('is looked for again if nobody had the folder', async () => {
    expect(await find({ b: failing })).toBeUndefined();
    expect(await find({ b: there })).toBe('b');
  });

  it('is not looked for if only the primary can have it', async () => {
    const down = { healthy: false };
    const nodes = nodesOf(['a', 'b', 'c'], { b: down, c: down });
    expect(await find({ a: there }, { nodes })).toBeUndefined();
    expect(asked).toEqual([]);
  });

  it('is not looked for where all replicas have that folder', async () => {
    expect(await find({ a: there }, { directory: 'objects' })).toBeUndefined();
    expect(asked).toEqual([]);
  });
});
