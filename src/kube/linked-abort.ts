/** An abort controller that is aborted with other signals as well. */
export interface LinkedAbort {
  readonly signal: AbortSignal;
  abort(reason: Error): void;
  /** Stops following. */
  release(): void;
}

/**
 * Follows `parents` until it is released. Unlike with `AbortSignal.any`, a parent that lives as long
 * as the program keeps nothing of it.
 */
export function linkAbort(...parents: readonly (AbortSignal | undefined)[]): LinkedAbort {
  const controller = new AbortController();
  const undo = parents.flatMap((parent) => {
    if (!parent) return [];
    const follow = () => controller.abort(parent.reason);
    if (parent.aborted) follow();
    parent.addEventListener('abort', follow, { once: true });
    return [() => parent.removeEventListener('abort', follow)];
  });
  return {
    signal: controller.signal,
    abort: (reason) => controller.abort(reason),
    release() {
      for (const each of undo) each();
    },
  };
}
