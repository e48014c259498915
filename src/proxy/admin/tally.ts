import { Counter, type Registry } from 'prom-client';

export interface TallyOptions<Label extends string> {
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly Label[];
}

/** Between the parts of a key: no label of ours holds it. */
const separator = '\0';

/**
 * A counter for the path of calls. prom-client checks and hashes the labels at each increment, which
 * takes microseconds; this is one look-up, and prom-client hears of it when the metrics are asked for.
 */
export class Tally<Label extends string = string> {
  readonly #counts = new Map<string, { readonly values: readonly string[]; count: number }>();

  constructor({ name, help, labelNames }: TallyOptions<Label>, registry: Registry) {
    const counts = this.#counts;
    const counter = new Counter({
      name,
      help,
      labelNames: [...labelNames],
      registers: [],
      collect() {
        this.reset();
        for (const { values, count } of counts.values()) {
          this.inc(labelsOf(labelNames, values), count);
        }
      },
    });
    registry.registerMetric(counter);
  }

  /** @param values of the labels, in the order of their names */
  add(by: number, ...values: readonly string[]): void {
    const key = values.length === 1 ? (values[0] ?? '') : values.join(separator);
    const entry = this.#counts.get(key);
    if (entry === undefined) this.#counts.set(key, { values, count: by });
    else entry.count += by;
  }

  /** How many combinations of labels there are. */
  get size(): number {
    return this.#counts.size;
  }

  /** Whether this combination of labels has been counted before. */
  has(...values: readonly string[]): boolean {
    return this.#counts.has(values.length === 1 ? (values[0] ?? '') : values.join(separator));
  }
}

/** `values` by the names of their labels. */
function labelsOf<Label extends string>(
  names: readonly Label[],
  values: readonly string[],
): Partial<Record<Label, string>> {
  return Object.fromEntries(names.map((name, index) => [name, values[index] ?? ''])) as Partial<
    Record<Label, string>
  >;
}
