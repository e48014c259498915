import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import { authorizationHeader } from '../../rpc/token.ts';
import { headerField, type HeaderField } from '../wire/hpack/header-field.ts';

export interface StorageTokenOptions {
  readonly storage: string;
  /** The tokens of the configuration; more than one while they are being rotated. */
  tokens(): readonly string[];
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What a storage said to a call that was signed with some token. */
export type TokenVerdict =
  { readonly kind: 'accepted' } | { readonly kind: 'refused'; readonly reason: string };

/**
 * The one token that a storage accepts, of those that it may have been started with.
 *
 * Gitaly knows one token and reads it when it starts. So which one it accepts can change only with the
 * connection, and is found out on each new one, before the storage counts as healthy.
 */
export class StorageToken {
  readonly #options: StorageTokenOptions;
  #secret: string;
  /** Why no token is accepted, as it was logged last. */
  #problem: string | undefined;
  /** On which connection, and with which configuration, the token was found. */
  #settled: { readonly connection: object; readonly tokens: readonly string[] } | undefined;
  #field = headerField('authorization', '');
  #signedSecret: string | undefined;
  #signedSecond = -1;

  constructor(options: StorageTokenOptions) {
    this.#options = options;
    this.#secret = options.tokens()[0] ?? '';
  }

  /** For another storage that is to call this one. */
  get secret(): string {
    return this.#secret;
  }

  /** Signs a call. A token lasts for half a minute: one a second is enough. */
  authorization(): HeaderField {
    const wallMs = this.#options.clock.wallMs();
    const second = Math.floor(wallMs / 1000);
    if (second !== this.#signedSecond || this.#secret !== this.#signedSecret) {
      this.#signedSecond = second;
      this.#signedSecret = this.#secret;
      this.#field = headerField('authorization', authorizationHeader(this.#secret, wallMs));
    }
    return this.#field;
  }

  /**
   * Finds out which token the storage accepts on `connection`. Does nothing if that is known.
   *
   * 1. Try the one that worked last, then those of the configuration. One that is not configured any
   *    more goes on to be used as long as the storage accepts no other: it will until it starts anew.
   * 2. Keep the first that is accepted.
   *
   * Rejects with a reason for people if none is accepted, and as `probe` does.
   *
   * @param probe makes a call that the storage answers only if the token is right
   */
  async settle(
    connection: object,
    probe: (authorization: HeaderField) => Promise<TokenVerdict>,
  ): Promise<void> {
    const { clock } = this.#options;
    const tokens = this.#options.tokens();
    if (this.#settled?.connection === connection && isSame(this.#settled.tokens, tokens)) return;
    let reason = '';
    for (const secret of candidates(this.#secret, tokens)) {
      const signed = authorizationHeader(secret, clock.wallMs());
      const verdict = await probe(headerField('authorization', signed, true));
      if (verdict.kind === 'accepted') {
        this.#use(secret, tokens);
        this.#problem = undefined;
        this.#settled = { connection, tokens };
        return;
      }
      reason = verdict.reason;
    }
    const problem = `it accepts no token of the configuration (${reason}): restart it with one of them, or add its own`;
    this.#complain(problem);
    throw new Error(problem);
  }

  /** Once for each problem, as a storage is asked again and again. */
  #complain(problem: string): void {
    if (problem === this.#problem) return;
    this.#problem = problem;
    const { logger, storage } = this.#options;
    logger.warn({ storage, reason: problem }, 'a storage refuses the proxy');
  }

  #use(secret: string, tokens: readonly string[]): void {
    const { logger, storage } = this.#options;
    if (secret !== this.#secret) {
      this.#secret = secret;
      logger.info({ storage }, 'the storage accepts another token than before');
    }
    if (tokens.includes(secret) || tokens.length === 0) return;
    logger.warn(
      { storage },
      'the storage accepts only a token that is not configured any more: restart it with a configured one',
    );
  }
}

/** Those of the configuration first, if the one that worked last is not among them. */
function candidates(last: string, tokens: readonly string[]): readonly string[] {
  return tokens.includes(last) ? [...new Set([last, ...tokens])] : [...new Set(tokens), last];
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((token, index) => token === b[index]);
}
