import { setTimeout as delay } from 'node:timers/promises';

/** Tells a person what goes on. */
export interface Progress {
  /** One line, now. */
  say(message: string): void;
  /**
   * Runs `work` and says how long it took. As long as it goes on it says that every ten seconds,
   * with what `detail` returns.
   */
  during<T>(what: string, work: () => Promise<T>, detail?: () => string): Promise<T>;
}

/** Says nothing; for tests that only want the result. */
export const silentProgress: Progress = {
  say() {},
  during: (_what, work) => work(),
};

const remindEveryMs = 10_000;

/** Writes lines that begin with the seconds since it was made. */
export function lineProgress(write: (line: string) => void): Progress {
  const start = performance.now();
  const seconds = (since: number) => ((performance.now() - since) / 1000).toFixed(1);
  const say = (message: string) => write(`${seconds(start).padStart(6)} s  ${message}\n`);
  return {
    say,
    async during(what, work, detail) {
      const begun = performance.now();
      const reminder = setInterval(() => {
        const more = detail?.() ?? '';
        say(`still: ${what} (${seconds(begun)} s)${more && `: ${more}`}`);
      }, remindEveryMs);
      try {
        const result = await work();
        say(`${what}: done in ${seconds(begun)} s`);
        return result;
      } finally {
        clearInterval(reminder);
      }
    },
  };
}

/** What a probe found. */
export type Probed<T> =
  { readonly kind: 'done'; readonly value: T } | { readonly kind: 'waiting'; readonly for: string };

/** How long and how often to probe. */
export interface WaitOptions {
  readonly limitMs: number;
  /** Default 200 ms. */
  readonly everyMs?: number;
  readonly signal?: AbortSignal | undefined;
}

/** Probes until done. Fails after the limit, and says what it still waited for. */
export async function waitFor<T>(
  what: string,
  options: WaitOptions,
  probe: () => Promise<Probed<T>>,
): Promise<T> {
  const deadline = performance.now() + options.limitMs;
  for (;;) {
    options.signal?.throwIfAborted();
    const probed = await probe();
    if (probed.kind === 'done') return probed.value;
    if (performance.now() > deadline) {
      throw new Error(
        `gave up on ${what} after ${options.limitMs / 1000} s; last seen: ${probed.for}`,
      );
    }
    await delay(options.everyMs ?? 200);
  }
}

/** Waits until `holds` returns true. */
export function waitUntil(
  what: string,
  options: WaitOptions,
  holds: () => Promise<boolean> | boolean,
): Promise<void> {
  return waitFor(what, options, async () =>
    (await holds()) ? { kind: 'done', value: undefined } : { kind: 'waiting', for: 'not yet' },
  );
}

/**
 * Does something for each item at once. When some fail, waits for the others all the same, so
 * that nothing goes on behind the caller's back, and then throws the first failure.
 */
export async function inParallel<T, R>(
  items: readonly T[],
  action: (item: T) => Promise<R>,
): Promise<readonly R[]> {
  const outcomes = await Promise.allSettled(items.map(action));
  return outcomes.map((outcome) => {
    if (outcome.status === 'rejected') throw outcome.reason;
    return outcome.value;
  });
}
