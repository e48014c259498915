import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { readConnection } from './connection.ts';

let folder: string;
let tokenFile: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'gitaly-ha-'));
  tokenFile = join(folder, 'token');
  writeFileSync(tokenFile, 's3cret\n');
});

afterAll(() => rmSync(folder, { recursive: true }));

describe('the connection', () => {
  test('comes from the environment', () => {
    const env = { GITALY_HA_ADDRESS: 'tcp://proxy:2305', GITALY_HA_TOKEN: 'abc' };
    expect(readConnection({}, env)).toEqual({ address: 'tcp://proxy:2305', token: 'abc', tls: {} });
  });

  test('comes from flags first, and the token from its file without the line break', () => {
    const env = { GITALY_HA_ADDRESS: 'tcp://other:1', GITALY_HA_TOKEN: 'abc' };
    const connection = readConnection({ address: 'tcp://proxy:2305', tokenFile }, env);
    expect(connection).toMatchObject({ address: 'tcp://proxy:2305', token: 's3cret' });
  });

  test('uses the certificates of a file', () => {
    const env = {
      GITALY_HA_ADDRESS: 'tls://proxy:2305',
      GITALY_HA_TOKEN_FILE: tokenFile,
      GITALY_HA_CA_FILE: tokenFile,
    };
    expect(readConnection({}, env).tls).toEqual({ ca: 's3cret\n' });
  });

  test.each([
    [{}, 'GITALY_HA_ADDRESS'],
    [{ GITALY_HA_ADDRESS: 'tcp://proxy:1' }, 'GITALY_HA_TOKEN_FILE'],
    [{ GITALY_HA_ADDRESS: 'tcp://proxy:1', GITALY_HA_TOKEN_FILE: '/dev/null' }, 'is empty'],
    [
      { GITALY_HA_ADDRESS: 'tcp://proxy:1', GITALY_HA_TOKEN_FILE: '/none' },
      'cannot read the token',
    ],
  ])('of %j is refused with what is missing', (env, message) => {
    expect(() => readConnection({}, env)).toThrow(message);
  });
});
