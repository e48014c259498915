const binary: Readonly<Record<string, bigint>> = {
  Ki: 1n << 10n,
  Mi: 1n << 20n,
  Gi: 1n << 30n,
  Ti: 1n << 40n,
  Pi: 1n << 50n,
  Ei: 1n << 60n,
};

/** Powers of ten of the decimal suffixes. */
const decimal: Readonly<Record<string, number>> = {
  n: -9,
  u: -6,
  m: -3,
  '': 0,
  k: 3,
  M: 6,
  G: 9,
  T: 12,
  P: 15,
  E: 18,
};

const syntax = /^([+-]?)(\d+)(?:\.(\d*))?(?:[eE]([+-]?\d{1,2})|([KMGTPE]i|[numkMGTPE]?))$/;

/**
 * The value of a Kubernetes quantity such as `1.5Gi`, in billionths, so that no precision is lost;
 * undefined if the text is not a quantity.
 */
function parseNanos(text: string): bigint | undefined {
  const match = syntax.exec(text);
  if (!match) return undefined;
  const [, sign, whole = '', fraction = '', exponent, suffix = ''] = match;
  const digits = BigInt(whole + fraction);
  const power = 9 - fraction.length + (exponent ? Number(exponent) : (decimal[suffix] ?? 0));
  const factor = binary[suffix] ?? 1n;
  const scaled = digits * factor * 10n ** BigInt(Math.max(0, power));
  const nanos = power < 0 ? scaled / 10n ** BigInt(-power) : scaled;
  return sign === '-' ? -nanos : nanos;
}

/**
 * Below 0, 0 or above 0 as `a` is less than, equal to or more than `b`. Throws if either is not a
 * Kubernetes quantity.
 */
export function compareQuantities(a: string, b: string): number {
  const left = parseNanos(a);
  const right = parseNanos(b);
  if (left === undefined || right === undefined) {
    throw new Error(`not a Kubernetes quantity: ${left === undefined ? a : b}`);
  }
  if (left === right) return 0;
  return left < right ? -1 : 1;
}

/**
 * How many times `unit` fits into what `quantity` leaves beside `reserved`, 0 at least. 0, too, if one is not a
 * Kubernetes quantity: the API server tells the user so.
 */
export function timesIn(quantity: string | number, unit: string, reserved = '0'): number {
  const [all, one, kept] = [String(quantity), unit, reserved].map(parseNanos);
  if (all === undefined || kept === undefined || one === undefined || all <= kept) return 0;
  return Number((all - kept) / one);
}
