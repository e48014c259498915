import { describe, expect, test } from '@jest/globals';
import { fc } from '../../test/support/properties.ts';
import { authorizationHeader, signToken, TokenVerifier, verifyToken } from './token.ts';

const secret = 'secret';
const issuedMs = 1_700_000_000_000;
const vector = 'v2.4b227f8831b3763d066901751ad4c583ed08832bf1924a4ec50c2e871b1e8586.1700000000';

function denied(reason: string, text: string) {
  return { kind: 'refused', reason, code: 7, message: `permission denied: ${text}` };
}

/** A token whose signature is right, whatever its message. */
function signed(message: string): string {
  return `Bearer ${signToken(secret, message as unknown as number)}`;
}

describe('signing', () => {
  test('gives the token that Gitaly gives', () => {
    expect(signToken(secret, 1_700_000_000)).toBe(vector);
  });

  test('counts whole seconds', () => {
    expect(authorizationHeader(secret, issuedMs + 999)).toBe(`Bearer ${vector}`);
  });
});

describe('verifying', () => {
  test('accepts what was signed with any of the secrets', () => {
    const header = authorizationHeader(secret, issuedMs);
    expect(verifyToken(header, ['new', secret], issuedMs)).toEqual({ kind: 'accepted' });
  });

  test('does not mind the case of the scheme and of the signature', () => {
    const header = `bEARER ${vector.replace('4b227f', '4B227F')}`;
    expect(verifyToken(header, [secret], issuedMs)).toEqual({ kind: 'accepted' });
  });

  test.each([
    undefined,
    '',
    'Bearer',
    'Bearer ',
    'Bearer garbage',
    'Bearer v2.00',
    'Bearer v1.abc.123',
    'Bearer v2.abc.123',
    'Bearer v2.zz.123',
    'Basic Zm9vOmJhcg==',
    vector,
  ])('asks for authentication if the header is %p', (header) => {
    expect(verifyToken(header, [secret], issuedMs)).toEqual({
      kind: 'refused',
      reason: 'unreadable',
      code: 16,
      message: 'authentication required',
    });
  });

  test.each([
    [`Bearer  ${vector}`, denied('wrong-version', 'invalid token version')],
    ['Bearer v1.ab.1', denied('wrong-version', 'invalid token version')],
    ['Bearer v2..1700000000', denied('wrong-signature', 'wrong hmac signature')],
    ['Bearer v2.ab.1700000000', denied('wrong-signature', 'wrong hmac signature')],
    [`Bearer ${vector}1`, denied('wrong-signature', 'wrong hmac signature')],
    [
      signed('1.5'),
      denied(
        'no-timestamp',
        'cannot parse timestamp: strconv.ParseInt: parsing "1.5": invalid syntax',
      ),
    ],
    [
      signed('9223372036854775808'),
      denied(
        'no-timestamp',
        'cannot parse timestamp: strconv.ParseInt: parsing "9223372036854775808": value out of range',
      ),
    ],
    [signed('9223372036854775807'), denied('in-future', "token's validity window is in future")],
    [signed('-9223372036854775808'), denied('expired', 'token has expired')],
  ])('refuses %p', (header, outcome) => {
    expect(verifyToken(header, [secret], issuedMs)).toEqual(outcome);
  });

  test.each([
    [30_000, 'accepted'],
    [30_001, 'expired'],
    [-30_000, 'accepted'],
    [-30_001, 'in-future'],
  ])('judges a token that is %d ms old as %s', (ageMs, expected) => {
    const outcome = verifyToken(`Bearer ${vector}`, [secret], issuedMs + ageMs);
    expect(outcome.kind === 'refused' ? outcome.reason : outcome.kind).toBe(expected);
  });

  test('never accepts an empty secret', () => {
    const header = authorizationHeader('', issuedMs);
    expect(verifyToken(header, [''], issuedMs)).toMatchObject({ reason: 'wrong-signature' });
  });

  test('accepts exactly what was signed with the same secret', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.string({ minLength: 1 }), (ours, theirs) => {
        const outcome = verifyToken(authorizationHeader(theirs, issuedMs), [ours], issuedMs);
        expect(outcome.kind === 'accepted').toBe(ours === theirs);
      }),
    );
  });

  test('never throws', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(verifyToken(`Bearer ${text}`, [secret], issuedMs).kind).toBe('refused');
      }),
    );
  });
});

describe('verifying again', () => {
  const header = authorizationHeader(secret, issuedMs);
  const validityMs = 30_000;

  test('gives the same answer, for as long as the token is good', () => {
    const verifier = new TokenVerifier();
    const secrets = [secret];
    const times = [0, 1, validityMs - 1, validityMs, validityMs + 1, -validityMs, -validityMs - 1];
    for (const ms of times) {
      const wallMs = issuedMs + ms;
      expect(verifier.verify(header, secrets, wallMs)).toEqual(
        verifyToken(header, secrets, wallMs),
      );
    }
  });

  test('does not accept a token of a secret that is not used any more', () => {
    const verifier = new TokenVerifier();
    expect(verifier.verify(header, [secret], issuedMs).kind).toBe('accepted');
    expect(verifier.verify(header, ['other'], issuedMs)).toMatchObject({
      reason: 'wrong-signature',
    });
  });

  test('does not remember what was refused', () => {
    const verifier = new TokenVerifier();
    const secrets = [secret];
    const early = issuedMs - validityMs - 1;
    expect(verifier.verify(header, secrets, early)).toMatchObject({ reason: 'in-future' });
    expect(verifier.verify(header, secrets, issuedMs).kind).toBe('accepted');
    expect(verifier.verify('Bearer v2.00.1', secrets, issuedMs).kind).toBe('refused');
    expect(verifier.verify(undefined, secrets, issuedMs).kind).toBe('refused');
  });

  test('goes on when it has seen more tokens than it remembers', () => {
    const verifier = new TokenVerifier();
    const secrets = [secret];
    for (let second = 0; second < 5000; second++) {
      const wallMs = issuedMs + second * 1000;
      const fresh = authorizationHeader(secret, wallMs);
      expect(verifier.verify(fresh, secrets, wallMs).kind).toBe('accepted');
      expect(verifier.verify(fresh, secrets, wallMs).kind).toBe('accepted');
    }
  });
});
