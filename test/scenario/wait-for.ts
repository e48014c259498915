const recheckMs = 250;

/**
 * Waits for something.
 *
 * @param whyNot what is still missing, or undefined when it is there; a rejection counts as missing
 * @throws Error with what was missing last, after `limitMs`
 */
export async function waitFor(
  what: string,
  limitMs: number,
  whyNot: () => Promise<string | undefined>,
): Promise<void> {
  const giveUpAtMs = performance.now() + limitMs;
  for (;;) {
    const missing = await whyNot().catch((error: unknown) => String(error));
    if (missing === undefined) return;
    if (performance.now() > giveUpAtMs) {
      throw new Error(`waited ${limitMs} ms for ${what}; last seen: ${missing}`);
    }
    await new Promise((resolve) => {
      setTimeout(resolve, recheckMs);
    });
  }
}
