/** The API server's refusal of a request: a `Status` of kind `Failure`. */
export class KubeError extends Error {
  /** The HTTP status. */
  readonly code: number;
  /** The reason in one word, such as `NotFound`, `AlreadyExists`, `Conflict` or `Expired`. */
  readonly reason: string;

  constructor(code: number, reason: string, message: string) {
    super(message);
    this.name = 'KubeError';
    this.code = code;
    this.reason = reason;
  }
}

/** Whether `thrown` is a refusal with that HTTP status. */
export function isKubeError(thrown: unknown, code: number): thrown is KubeError {
  return thrown instanceof KubeError && thrown.code === code;
}

/** The refusal that an answer's body stands for; the body may be anything. */
export function kubeErrorOf(code: number, body: string): KubeError {
  const status = parseStatus(body);
  const message = status.message ?? (body.slice(0, 500) || 'no message');
  return new KubeError(
    status.code ?? code,
    status.reason ?? 'Unknown',
    `the API server answered ${status.code ?? code}: ${message}`,
  );
}

interface StatusBody {
  readonly code?: number;
  readonly reason?: string;
  readonly message?: string;
}

function parseStatus(body: string): StatusBody {
  try {
    const parsed: unknown = JSON.parse(body);
    if (typeof parsed !== 'object' || parsed === null) return {};
    const { code, reason, message } = parsed as Record<string, unknown>;
    return {
      ...(typeof code === 'number' && { code }),
      ...(typeof reason === 'string' && { reason }),
      ...(typeof message === 'string' && { message }),
    };
  } catch {
    return {};
  }
}
