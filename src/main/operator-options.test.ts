import { describe, expect, test } from '@jest/globals';

import { parseOperatorOptions } from './operator-options.ts';

describe("the operator's options", () => {
  test('come from the environment of its pod', () => {
    const options = parseOperatorOptions([], {
      WATCH_NAMESPACES: 'a,b',
      POD_NAMESPACE: 'ops',
      POD_NAME: 'operator-1',
      OPERATOR_IMAGE: 'operator:1',
      LOG_LEVEL: 'debug',
      WATCH_NODES: 'true',
      CORDON_NODES: 'true',
      LEAVING_TAINTS: 'example.com/retired',
    });
    expect(options).toEqual({
      namespaces: ['a', 'b'],
      nodes: { areWatched: true, ownTaints: ['example.com/retired'], mayCordon: true },
      leaseNamespace: 'ops',
      httpListen: { host: '0.0.0.0', port: 8080 },
      proxyImage: 'operator:1',
      identity: 'operator-1',
      logLevel: 'debug',
    });
  });

  test('are overridden by flags', () => {
    const args = ['--namespaces=c', '--http-listen', '127.0.0.1:0', '--proxy-image=x'];
    expect(parseOperatorOptions(args, { WATCH_NAMESPACES: 'a' })).toMatchObject({
      namespaces: ['c'],
      leaseNamespace: undefined,
      httpListen: { host: '127.0.0.1', port: 0 },
      proxyImage: 'x',
    });
  });

  test('watch all namespaces if none is named, also by an empty variable', () => {
    const env = { OPERATOR_IMAGE: 'x', WATCH_NAMESPACES: '' };
    expect(parseOperatorOptions([], env).namespaces).toEqual([]);
  });

  test.each<[string[], Record<string, string>, { areWatched: boolean; mayCordon: boolean }]>([
    [[], {}, { areWatched: true, mayCordon: false }],
    [[], { CORDON_NODES: 'false' }, { areWatched: true, mayCordon: false }],
    [['--cordon-nodes'], {}, { areWatched: true, mayCordon: true }],
    [['--no-nodes', '--cordon-nodes'], {}, { areWatched: false, mayCordon: false }],
    [[], { WATCH_NODES: 'false', CORDON_NODES: 'true' }, { areWatched: false, mayCordon: false }],
  ])('%j and %j cordon nodes only if they are watched, and it is asked for', (args, env, nodes) => {
    const options = parseOperatorOptions(args, { OPERATOR_IMAGE: 'x', ...env });
    expect(options.nodes).toMatchObject(nodes);
  });

  test.each([
    [[], 'set OPERATOR_IMAGE'],
    [['--proxy-image=x', '--http-listen=8080'], 'write host:port'],
    [['--surprise'], '--surprise'],
  ])('%j are refused with what to do', (args, message) => {
    expect(() => parseOperatorOptions(args, {})).toThrow(message);
  });
});
