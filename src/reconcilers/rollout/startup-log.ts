/** What the log of a pod's Gitaly says of its start. */
export type StartupLog =
  | { readonly kind: 'clean' }
  /** `message`: how many errors, and the first, for a person. */
  | { readonly kind: 'errors'; readonly message: string }
  /** It could not be read. `sinceMs`: when that was tried first (milliseconds since 1970-01-01 UTC). */
  | { readonly kind: 'unread'; readonly message: string; readonly sinceMs: number };

/** A line of a log that Kubernetes has put the time before. */
export interface LoggedLine {
  /** Milliseconds since 1970-01-01 UTC. */
  readonly atMs: number;
  /** What is wrong, if the line is an error. */
  readonly error: string | undefined;
}

const errorLevels: ReadonlySet<unknown> = new Set(['error', 'fatal', 'panic']);

/** Of what Gitaly says, as much as a status can carry. */
const maxErrorLength = 200;

/** Reads `2026-01-31T10:00:00.123Z {"level":"error","msg":"..."}`; undefined if it has no time. */
export function readLoggedLine(line: string): LoggedLine | undefined {
  const space = line.indexOf(' ');
  const atMs = Date.parse(space < 0 ? line : line.slice(0, space));
  if (Number.isNaN(atMs)) return undefined;
  const error = errorIn(space < 0 ? '' : line.slice(space + 1));
  return { atMs, error: error?.slice(0, maxErrorLength) };
}

/** What the errors of a start come to; `undefined` stands for none. */
export function startupVerdict(errors: readonly string[]): StartupLog {
  const [first] = errors;
  if (first === undefined) return { kind: 'clean' };
  const count = errors.length === 1 ? 'an error' : `${errors.length} errors, the first`;
  return { kind: 'errors', message: `its log has ${count}: ${first}` };
}

/** Our Gitaly logs JSON. A panic of Go is none. A call that failed is about that call, and not about the start. */
function errorIn(text: string): string | undefined {
  if (/^(panic|fatal error): /.test(text)) return text;
  if (!text.startsWith('{')) return undefined;
  const { level, msg, error, 'grpc.method': method } = parseObject(text);
  if (!errorLevels.has(level) || method !== undefined) return undefined;
  return [msg, error].filter((part) => typeof part === 'string' && part !== '').join(': ');
}

function parseObject(text: string): Readonly<Record<string, unknown>> {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return {};
  }
}
