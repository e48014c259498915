/**
 * Resolves with the first result of `probe` that is neither undefined nor false; rejects if there is
 * none within `limitMs`. For tests that wait for something real to happen. It is asked for less often
 * the longer it takes, so that the question does not hold up what is asked for.
 */
export async function eventually<T>(
  what: string,
  probe: () => T | undefined | false | Promise<T | undefined | false>,
  limitMs = 60_000,
): Promise<T> {
  const startedMs = performance.now();
  for (;;) {
    const result = await probe();
    if (result !== undefined && result !== false) return result;
    const elapsedMs = performance.now() - startedMs;
    if (elapsedMs > limitMs) throw new Error(`not within ${limitMs} ms: ${what}`);
    await new Promise((resolve) => {
      setTimeout(resolve, Math.min(5 + elapsedMs / 20, 50));
    });
  }
}
