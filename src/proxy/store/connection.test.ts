import { describe, expect, test } from '@jest/globals';
import { clientConfig, defaultLimits } from './connection.ts';

const coordinates = {
  host: 'db',
  port: 5432,
  dbname: 'app',
  username: 'me',
  password: 'secret',
} as const;

describe('clientConfig', () => {
  test('names things as pg does', () => {
    expect(clientConfig(coordinates, defaultLimits)).toMatchObject({
      host: 'db',
      port: 5432,
      database: 'app',
      user: 'me',
      password: 'secret',
    });
  });

  test('puts the limits on connecting and on statements, here and at the server', () => {
    const limits = { connectMs: 1, callMs: 2, probeIntervalMs: 3, listMs: 4 };
    expect(clientConfig(coordinates, limits)).toMatchObject({
      connectionTimeoutMillis: 1,
      query_timeout: 2,
      statement_timeout: 2,
    });
  });

  test('asks for the current connection each time', () => {
    let asked = 0;
    const source = () => ({ ...coordinates, password: `${(asked += 1)}` });
    expect(clientConfig(source, defaultLimits).password).toBe('1');
    expect(clientConfig(source, defaultLimits).password).toBe('2');
  });

  test.each(['postgresql://me:secret@db:5432/app', 'postgres:///app?host=/run/postgresql'])(
    'takes %s',
    (uri) => {
      expect(clientConfig({ uri }, defaultLimits)).toMatchObject({ connectionString: uri });
    },
  );

  test.each(['mysql://me:secret@db/app', 'me:secret@db', 'postgresql://me:secret#@db/app', ''])(
    'refuses %p without repeating it',
    (uri) => {
      expect(() => clientConfig({ uri }, defaultLimits)).toThrow(/percent-encoded/);
      expect(() => clientConfig({ uri }, defaultLimits)).not.toThrow(/secret/);
    },
  );
});
