import { describe, expect, test } from '@jest/globals';
import { acknowledge, channels, parseNotification } from './notifications.ts';

const [repositories = '', acknowledgements = ''] = channels;
const key = { virtual_storage: 'default', relative_path: 'a.git' };
const row = {
  ...key,
  id: '9223372036854775807',
  replica_path: 'b',
  version: '9007199254740993',
  epoch: '1',
  lsn: '-1',
  primary_storage: 'gitaly-0',
  replicas: [{ storage: 'gitaly-0', lsn: '9007199254740993', role: 'voter' }],
  intents: [],
  barrier: null,
};

describe('parseNotification', () => {
  test('keeps all 64 bits of a number', () => {
    const payload = JSON.stringify({ kind: 'changed', ...row });
    expect(parseNotification(repositories, payload)).toMatchObject({
      kind: 'changed',
      record: { id: 2n ** 63n - 1n, version: 2n ** 53n + 1n, replicas: [{ lsn: 2n ** 53n + 1n }] },
    });
  });

  test('reads what acknowledge sends', () => {
    const [channel, payload] = acknowledge('proxy "0"', 2n ** 62n, 3n).values as [string, string];
    expect(channel).toBe(acknowledgements);
    expect(parseNotification(channel, payload)).toEqual({
      kind: 'acknowledged',
      owner: 'proxy "0"',
      id: 2n ** 62n,
      version: 3n,
    });
  });

  test.each([
    ['nothing', ''],
    ['no JSON', 'changed'],
    ['another kind', JSON.stringify({ ...row, kind: 'split' })],
    ['no kind', JSON.stringify(row)],
    ['no number', JSON.stringify({ ...key, kind: 'removed', id: 'one', version: '1' })],
    [
      'a role that is not known',
      JSON.stringify({ ...row, kind: 'changed', replicas: [{ ...row.replicas[0], role: 'king' }] }),
    ],
    [
      'a kind of intent that is not known',
      JSON.stringify({ ...row, kind: 'changed', intents: [{ epoch: '1', kind: 'wish' }] }),
    ],
  ])('does not understand %s', (_, payload) => {
    expect(parseNotification(repositories, payload)).toBeUndefined();
  });
});
