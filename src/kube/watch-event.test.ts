import { describe, expect, test } from '@jest/globals';
import { fc } from '../../test/support/properties.ts';

import { parseWatchEvent } from './watch-event.ts';

const object = { metadata: { name: 'a', resourceVersion: '7' } };
const line = (type: string, what: object = object) => JSON.stringify({ type, object: what });

describe('a line of a watch', () => {
  test.each([
    [line('ADDED'), { kind: 'added', object }],
    [line('MODIFIED'), { kind: 'modified', object }],
    [line('DELETED'), { kind: 'deleted', object }],
    [
      line('BOOKMARK', { metadata: { resourceVersion: '9' } }),
      { kind: 'bookmark', resourceVersion: '9' },
    ],
    [line('ERROR', { code: 410, reason: 'Expired' }), { kind: 'expired' }],
    [line('ERROR', { code: 410, reason: 'Gone' }), { kind: 'expired' }],
    [
      line('ERROR', { code: 500, message: 'etcd' }),
      { kind: 'failure', code: 500, message: 'etcd' },
    ],
    [line('SURPRISE'), { kind: 'garbage' }],
    [line('ADDED', { metadata: {} }), { kind: 'garbage' }],
    ['{"type":"ADDED","object":{"metada', { kind: 'garbage' }],
    ['null', { kind: 'garbage' }],
    ['[]', { kind: 'garbage' }],
  ])('%s is understood', (text, event) => {
    expect(parseWatchEvent(text)).toEqual(event);
  });

  test('never throws, whatever it is', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        expect(parseWatchEvent(text)).toHaveProperty('kind');
      }),
    );
  });
});
