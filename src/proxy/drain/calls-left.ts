import type { CallsLeft } from '../store/drain-board.ts';
import type { StorageKey } from '../store/storage-identity.ts';
import { callClassOf } from './call-class.ts';

/** A call whose client waits for its end. */
export interface RunningCall {
  /** Monotonic. */
  readonly startedMs: number;
  readonly head: { readonly path: string };
  readonly trace: {
    readonly virtualStorage: string | undefined;
    readonly relativePath: string | undefined;
    /** Where a read was sent last. */
    readonly storage: string | undefined;
    /** Of a write. */
    readonly primary: string | undefined;
    readonly write?: { needs(storage: string): boolean } | undefined;
  };
}

/**
 * The calls that would fail if the storage went: reads that it answers, and writes that it is the primary of or that
 * too few others take part in. Any other write that it takes part in goes on without it.
 *
 * A call that came before the drain was noted and is not routed yet may have been promised to the storage: it
 * counts until it is routed or has ended.
 *
 * @param notedMs when this proxy began to send clients elsewhere (monotonic)
 */
export function callsOn<Call extends RunningCall>(
  { virtualStorage, storage }: StorageKey,
  calls: readonly Call[],
  notedMs: number,
): readonly Call[] {
  return calls.filter(({ startedMs, trace }) => {
    if (trace.virtualStorage !== virtualStorage) return false;
    if (trace.storage === undefined && trace.primary === undefined) return startedMs <= notedMs;
    return (
      trace.storage === storage || trace.primary === storage || trace.write?.needs(storage) === true
    );
  });
}

/** The calls by class. */
export function countCalls(calls: readonly RunningCall[], nowMs: number): readonly CallsLeft[] {
  const left = new Map<string, CallsLeft>();
  for (const { startedMs, head, trace } of calls) {
    const callClass = callClassOf(head.path);
    const ageMs = nowMs - startedMs;
    const others = left.get(callClass) ?? noneOf(callClass);
    left.set(callClass, {
      ...others,
      count: others.count + 1,
      ...(ageMs >= others.oldestMs && {
        oldestMs: Math.round(ageMs),
        oldestRepository: trace.relativePath ?? '',
      }),
    });
  }
  return [...left.values()];
}

function noneOf(callClass: CallsLeft['class']): CallsLeft {
  return { class: callClass, count: 0, oldestMs: 0, oldestRepository: '' };
}
