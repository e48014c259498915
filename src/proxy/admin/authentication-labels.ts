import { statusCodes } from '../../rpc/status.ts';
import type { TokenOutcome, TokenRefusal } from '../../rpc/token.ts';

/** What Gitaly calls the outcome; one of them warns that nothing is enforced. */
export function authenticationStatus(outcome: TokenOutcome, enforced: boolean): string {
  if (outcome.kind === 'accepted') return enforced ? 'ok' : 'would be ok';
  return outcome.code === statusCodes.UNAUTHENTICATED ? 'unauthenticated' : 'denied';
}

/** What Gitaly calls the reason of a refusal; undefined for one that it does not count by its reason. */
export function authenticationError(outcome: TokenOutcome): string | undefined {
  return outcome.kind === 'accepted' ? undefined : errors[outcome.reason];
}

const errors: Readonly<Record<TokenRefusal, string | undefined>> = {
  unreadable: undefined,
  'wrong-version': undefined,
  'wrong-signature': 'wrong hmac signature',
  'no-timestamp': 'cannot parse timestamp',
  expired: 'token has expired',
  'in-future': "token's validity window is in future",
};
