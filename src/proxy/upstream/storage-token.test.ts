import { describe, expect, test } from '@jest/globals';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { RecordingLogger } from '../../../test/support/recording-logger.ts';
import { verifyToken } from '../../rpc/token.ts';
import type { HeaderField } from '../wire/hpack/header-field.ts';
import { StorageToken, type TokenVerdict } from './storage-token.ts';

/** A storage that was started with `accepts`, and the proxy's idea of its token. */
function scene(tokens: readonly string[], accepts: string) {
  const clock = new ManualClock();
  const logger = new RecordingLogger();
  const state = { tokens, accepts, probes: 0 };
  const token = new StorageToken({
    storage: 'gitaly-0',
    tokens: () => [...state.tokens],
    clock,
    logger,
  });
  const passes = ({ value }: HeaderField) =>
    verifyToken(value, [state.accepts], clock.wallMs()).kind === 'accepted';
  const probe = async (signed: HeaderField): Promise<TokenVerdict> => {
    state.probes += 1;
    return passes(signed) ? { kind: 'accepted' } : { kind: 'refused', reason: 'wrong signature' };
  };
  const settle = (connection: object) => token.settle(connection, probe);
  return { clock, logger, state, token, settle, signsRight: () => passes(token.authorization()) };
}

describe('the token of a storage', () => {
  test('is the configured one that the storage accepts', async () => {
    const { settle, token, signsRight } = scene(['new', 'old'], 'old');
    expect(signsRight()).toBe(false);
    await settle({});
    expect(signsRight()).toBe(true);
    expect(token.secret).toBe('old');
  });

  test('is looked for once on a connection, and again on the next', async () => {
    const { settle, state, token } = scene(['new', 'old'], 'old');
    const connection = {};
    await settle(connection);
    await settle(connection);
    expect(state.probes).toBe(2);
    state.accepts = 'new';
    await settle({});
    expect(token.secret).toBe('new');
  });

  test('is looked for again when the configuration changes, and stays if it still works', async () => {
    const { settle, state, token, logger } = scene(['old'], 'old');
    const connection = {};
    await settle(connection);
    state.tokens = ['new', 'old'];
    await settle(connection);
    expect(token.secret).toBe('old');
    expect(logger.lines).toEqual([]);
  });

  test('that is not configured any more is used as long as the storage accepts no other', async () => {
    const { settle, state, token, logger } = scene(['old'], 'old');
    await settle({});
    state.tokens = ['new'];
    await settle({});
    expect(token.secret).toBe('old');
    expect(logger.lines).toHaveLength(1);
    expect(logger.lines[0]).toContain('not configured any more');
    state.accepts = 'new';
    await settle({});
    expect(token.secret).toBe('new');
  });

  test('is asked for again and again, with a reason, while none is accepted', async () => {
    const { settle, state, logger } = scene(['one', 'other'], 'third');
    const connection = {};
    await expect(settle(connection)).rejects.toThrow(/accepts no token.*wrong signature/);
    await expect(settle(connection)).rejects.toThrow(/accepts no token/);
    state.tokens = ['one', 'third'];
    await settle(connection);
    for (const secret of ['one', 'other', 'third']) {
      expect(logger.lines.join('\n')).not.toContain(`'${secret}'`);
    }
  });

  test('signs anew each second, so that a signature never gets old', async () => {
    const { clock, token, signsRight } = scene(['one'], 'one');
    const first = token.authorization();
    await clock.advance(900);
    expect(token.authorization()).toBe(first);
    await clock.advance(200);
    expect(token.authorization()).not.toBe(first);
    await clock.advance(60_000);
    expect(signsRight()).toBe(true);
  });
});
