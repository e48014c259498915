import type { ProxyStopPolicy } from '../api/proxy-config.ts';
import { sleep, type Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Dispatcher } from '../proxy/relay/dispatcher.ts';
import type { GrpcListener } from '../proxy/relay/grpc-listener.ts';
import type { WriteRegistry } from '../proxy/transactions/write-registry.ts';

export interface LeaveOptions {
  readonly policy: ProxyStopPolicy;
  readonly listener: Pick<GrpcListener, 'connections' | 'close' | 'stop'>;
  readonly calls: Pick<Dispatcher, 'isIdle' | 'cut'>;
  readonly writes: Pick<WriteRegistry, 'isIdle'>;
  /** Calls were cut off, since they took too long. */
  onCut(calls: number): void;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Aborted: what is waited for before calls are cut is not waited for any more. */
  readonly hurry: AbortSignal;
}

/** A write that was decided waits 5 s for the slowest storages, and then 10 s for the store. */
const settleLimitMs = 16_000;
/** For the last bytes on their way to the clients. */
const flushLimitMs = 2000;
const recheckMs = 20;

/**
 * Takes a proxy away from its clients, so that no call fails if they can go elsewhere. The proxy says
 * that it is not ready before this begins, and goes on with all its work until it has ended.
 *
 * 1. It serves as before, until nobody sends new clients any more. Kubernetes takes its address out of
 *    Services while it stops; that takes a moment to arrive, and names are cached.
 * 2. The port is closed and each connection gets GOAWAY at the same time. A client that connected
 *    between the two would come again and again; one that is refused at once turns to other addresses.
 * 3. Calls that run go on to their end, and so do those that came before the client had heard of it.
 * 4. What is left at the limit is cut. Reads, and writes that nobody was told to commit, have changed
 *    nothing: their clients are told UNAVAILABLE.
 * 5. What was decided is carried out and recorded, also where no client waits for it any more.
 */
export async function takeLeave(options: LeaveOptions): Promise<void> {
  const { policy, listener, calls, writes, onCut, clock, logger, hurry } = options;
  await sleep(clock, policy.lameDuckMs, hurry).catch(() => {});
  await listener.close();
  const areClientsGone = () => listener.connections === 0 && calls.isIdle;
  await waitFor(areClientsGone, policy.callsMs, clock, hurry);
  if (!areClientsGone()) {
    const cut = calls.cut();
    onCut(cut);
    if (cut > 0) logger.warn({ calls: cut }, 'calls were cut: they took longer than the proxy may');
  }
  const isSettled = () => calls.isIdle && writes.isIdle;
  await waitFor(isSettled, settleLimitMs, clock);
  if (!isSettled()) logger.warn({}, 'writes are left for others to settle');
  await waitFor(() => listener.connections === 0, flushLimitMs, clock);
  await listener.stop();
}

/** Resolves when `condition` holds, after `limitMs`, or when `hurry` is aborted. */
async function waitFor(
  condition: () => boolean,
  limitMs: number,
  clock: Clock,
  hurry?: AbortSignal,
): Promise<void> {
  const giveUpAtMs = clock.monotonicMs() + limitMs;
  const isOver = () => condition() || hurry?.aborted || clock.monotonicMs() >= giveUpAtMs;
  while (!isOver()) {
    await sleep(clock, recheckMs, hurry).catch(() => {});
  }
}
