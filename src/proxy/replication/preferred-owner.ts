import { rendezvous } from '../../base/rendezvous.ts';

/**
 * Which of the live proxies looks after a repository: all that know the same proxies agree, and when
 * one goes only its own repositories move.
 */
export function preferredOwner(id: bigint, live: ReadonlySet<string>): string | undefined {
  return rendezvous(String(id), live);
}
