/** What a run of `pan`, the checker that Spin makes of a model, has found. */
export interface PanReport {
  readonly states: number;
  /**
   * `complete`: every state was looked at, and all is well. `violated`: an assertion fails, and there is
   * a trail to replay. `incomplete`: it ran out of memory or depth, so that nothing is known.
   */
  readonly result: 'complete' | 'violated' | 'incomplete';
}

/** Signs of a search that has left something out. */
const truncations = ['Search not completed', 'max search depth too small', 'out of memory'];

/** Reads what `pan` has printed. Anything that it does not know is `incomplete`. */
export function parsePanReport(output: string): PanReport {
  const states = Number(/^\s*([\d.e+]+) states, stored/m.exec(output)?.[1] ?? 0);
  const errors = /errors: (\d+)/.exec(output)?.[1];
  if (errors === '1' && output.includes('assertion violated'))
    return { states, result: 'violated' };
  const isTruncated = truncations.some((sign) => output.includes(sign));
  const isComplete = errors === '0' && states > 0 && !isTruncated;
  return { states, result: isComplete ? 'complete' : 'incomplete' };
}

/** The model's own words in a replayed trail, one line a step. */
export function parseStory(replay: string): readonly string[] {
  const end = replay.search(/^spin: /m);
  return replay
    .slice(0, end === -1 ? undefined : end)
    .split('\n')
    .map((line) => line.trim().replaceAll(/\{(\d)\}/g, (_, set: string) => namesOf(Number(set))))
    .filter((line) => line !== '');
}

/** The model has sets of storages as bits. */
function namesOf(set: number): string {
  const names = [0, 1, 2].filter((storage) => (set >> storage) % 2 === 1);
  return names.length === 0 ? 'none' : names.join(', ');
}

/** Which invariant a story ends with, if any. */
export function violatedInvariant(story: readonly string[]): string | undefined {
  return /^(I\d) is violated$/.exec(story.at(-1) ?? '')?.[1];
}
