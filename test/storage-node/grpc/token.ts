import { createHmac, timingSafeEqual } from 'node:crypto';
import { Code, RpcError } from './status.ts';

/** How far a token's time may be from ours, both ways. */
const validityS = 30;

/** `Bearer v2.<hex>.<seconds>`, fresh for each call. */
export function signToken(secret: string, wallMs: number): string {
  const issuedAt = String(Math.floor(wallMs / 1000));
  return `Bearer v2.${hmac(secret, issuedAt).toString('hex')}.${issuedAt}`;
}

/**
 * Checks an `authorization` header against the secret. An empty secret admits everybody.
 *
 * @throws RpcError with the texts of Gitaly
 */
export function checkToken(secret: string, header: string | undefined, wallMs: number): void {
  if (secret === '') return;
  const match = /^bearer ([^.]*)\.([^.]*)\.(.*)$/i.exec(header ?? '');
  const signature = match?.[2];
  const issuedAt = match?.[3];
  // Gitaly fails to decode a signature that is no hex before it compares anything.
  if (signature === undefined || issuedAt === undefined || !/^(?:[0-9a-f]{2})*$/i.test(signature)) {
    throw new RpcError(Code.UNAUTHENTICATED, 'authentication required');
  }
  if (match?.[1] !== 'v2') throw denied('invalid token version');
  const expected = hmac(secret, issuedAt);
  const given = Buffer.from(signature, 'hex');
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
    throw denied('wrong hmac signature');
  }
  if (!/^\d+$/.test(issuedAt)) throw denied('cannot parse timestamp');
  const ageS = wallMs / 1000 - Number(issuedAt);
  if (ageS > validityS) throw denied('token has expired');
  if (ageS < -validityS) throw denied("token's validity window is in future");
}

function denied(reason: string): RpcError {
  return new RpcError(Code.PERMISSION_DENIED, `permission denied: ${reason}`);
}

function hmac(secret: string, message: string): Buffer {
  return createHmac('sha256', secret).update(message).digest();
}
