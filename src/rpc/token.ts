import { createHmac, timingSafeEqual } from 'node:crypto';
import { statusCodes } from './status.ts';

/** How far a token's time may be from ours, both ways. Fixed by Gitaly. */
const tokenValidityMs = 30_000;

/** What came of {@link verifyToken}. A refusal has the code and the text that Gitaly answers with. */
export type TokenOutcome =
  | { readonly kind: 'accepted' }
  | {
      readonly kind: 'refused';
      readonly reason: TokenRefusal;
      readonly code: typeof statusCodes.UNAUTHENTICATED | typeof statusCodes.PERMISSION_DENIED;
      readonly message: string;
    };

/** Why a token was refused: a closed list, fit for a metric's label. */
export type TokenRefusal =
  'unreadable' | 'wrong-version' | 'wrong-signature' | 'no-timestamp' | 'expired' | 'in-future';

/**
 * A token of version 2, `v2.<hex of HMAC-SHA256(secret, message)>.<message>`, where the message is
 * the time in seconds. It is good for {@link tokenValidityMs}: sign one for each call.
 */
export function signToken(secret: string, unixSeconds: number): string {
  const message = String(unixSeconds);
  return `v2.${signature(secret, message).toString('hex')}.${message}`;
}

/** The value of the metadata key `authorization` for a call that starts at `wallMs`. */
export function authorizationHeader(secret: string, wallMs: number): string {
  return `Bearer ${signToken(secret, Math.floor(wallMs / 1000))}`;
}

/**
 * Decides whether a call may pass.
 *
 * 1. The header is `Bearer <version>.<hex>.<message>`; the scheme's case does not matter, the
 *    message may contain dots. Anything else is unreadable, also hex that cannot be decoded.
 * 2. The version is v2.
 * 3. The signature is that of one of `secrets` (several while a secret is being rotated).
 *    All are compared, in constant time.
 * 4. The message is a time in seconds, within {@link tokenValidityMs} of `wallMs`.
 *
 * @param header the first value of the metadata key `authorization`
 * @param secrets at least one; an empty one never matches
 */
export function verifyToken(
  header: string | undefined,
  secrets: readonly string[],
  wallMs: number,
): TokenOutcome {
  const token = parseHeader(header);
  if (token === undefined) return unauthenticated;
  if (token.version !== 'v2') return denied('wrong-version', 'invalid token version');
  if (!isSignedByOneOf(secrets, token)) return denied('wrong-signature', 'wrong hmac signature');
  const issued = parseSeconds(token.message);
  if (issued.kind === 'invalid') return denied('no-timestamp', issued.message);
  return checkTime(issued.seconds, wallMs);
}

/** More tokens than clients sign in the time that one is good for. */
const maxRemembered = 4096;

/**
 * Decides as {@link verifyToken} does, and computes the signature of a token once: clients send the
 * same one with every call of a second.
 */
export class TokenVerifier {
  /** When the tokens were signed that have the signature of one of `#secrets`, by their header. */
  readonly #issuedMs = new Map<string, number>();
  #secrets: readonly string[] = [];

  /** `secrets` are other ones if, and only if, it is another array. */
  verify(header: string | undefined, secrets: readonly string[], wallMs: number): TokenOutcome {
    if (header === undefined) return unauthenticated;
    if (secrets !== this.#secrets) {
      this.#issuedMs.clear();
      this.#secrets = secrets;
    }
    const issuedMs = this.#issuedMs.get(header);
    if (issuedMs !== undefined && Math.abs(wallMs - issuedMs) < tokenValidityMs) return accepted;
    const outcome = verifyToken(header, secrets, wallMs);
    if (outcome.kind === 'accepted') this.#remember(header);
    return outcome;
  }

  #remember(header: string): void {
    if (this.#issuedMs.size >= maxRemembered) this.#issuedMs.clear();
    const seconds = Number(parseHeader(header)?.message);
    this.#issuedMs.set(header, seconds * 1000);
  }
}

interface Token {
  readonly version: string;
  readonly signature: Buffer;
  readonly message: string;
}

const accepted: TokenOutcome = { kind: 'accepted' };

const unauthenticated: TokenOutcome = {
  kind: 'refused',
  reason: 'unreadable',
  code: statusCodes.UNAUTHENTICATED,
  message: 'authentication required',
};

function denied(reason: TokenRefusal, text: string): TokenOutcome {
  const message = `permission denied: ${text}`;
  return { kind: 'refused', reason, code: statusCodes.PERMISSION_DENIED, message };
}

function parseHeader(header: string | undefined): Token | undefined {
  const match = /^bearer ([^.]*)\.((?:[0-9a-f]{2})*)\.(.*)$/is.exec(header ?? '');
  if (match === null) return undefined;
  const [, version = '', hex = '', message = ''] = match;
  return { version, signature: Buffer.from(hex, 'hex'), message };
}

function signature(secret: string, message: string): Buffer {
  return createHmac('sha256', secret).update(message).digest();
}

function isSignedByOneOf(secrets: readonly string[], token: Token): boolean {
  let found = false;
  for (const secret of secrets) {
    const expected = signature(secret, token.message);
    const isEqual =
      expected.length === token.signature.length && timingSafeEqual(expected, token.signature);
    if (secret !== '' && isEqual) found = true;
  }
  return found;
}

type Seconds =
  | { readonly kind: 'valid'; readonly seconds: bigint }
  | { readonly kind: 'invalid'; readonly message: string };

/** The texts are those of Go's parser, because clients have seen them for years. */
function parseSeconds(text: string): Seconds {
  if (!/^[+-]?[0-9]+$/.test(text)) return invalidSeconds(text, 'invalid syntax');
  const seconds = BigInt(text.replace('+', ''));
  if (BigInt.asIntN(64, seconds) !== seconds) return invalidSeconds(text, 'value out of range');
  return { kind: 'valid', seconds };
}

function invalidSeconds(text: string, problem: string): Seconds {
  const cause = `strconv.ParseInt: parsing ${JSON.stringify(text)}: ${problem}`;
  return { kind: 'invalid', message: `cannot parse timestamp: ${cause}` };
}

function checkTime(seconds: bigint, wallMs: number): TokenOutcome {
  const aheadMs = seconds * 1000n - BigInt(Math.floor(wallMs));
  if (aheadMs < -tokenValidityMs) return denied('expired', 'token has expired');
  if (aheadMs > tokenValidityMs) {
    return denied('in-future', "token's validity window is in future");
  }
  return accepted;
}
