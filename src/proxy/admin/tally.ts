import { Counter, type Registry } from 'prom-client';

export interface TallyOptions<Label extends string> {
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly Label[];
}

/** What follows one value of a label: the values of the next one, or the count. */
class Branch {
  readonly next = new Map<string, Branch>();
  count = 0;
}

/**
 * A counter for the path of calls. prom-client checks and hashes the labels at each increment, which
 * takes microseconds; this is one look-up a label, by texts whose hashes are known, and prom-client
 * hears of it when the metrics are asked for.
 */
export class Tally<Label extends string = string> {
  readonly #root = new Branch();
  #size = 0;

  constructor({ name, help, labelNames }: TallyOptions<Label>, registry: Registry) {
    const countInto = (counter: Counter, branch: Branch, labels: Record<string, string>) => {
      const label = labelNames[Object.keys(labels).length];
      if (label === undefined) counter.inc(labels, branch.count);
      else {
        for (const [value, next] of branch.next) {
          countInto(counter, next, { ...labels, [label]: value });
        }
      }
    };
    const root = this.#root;
    const isCounted = () => this.#size > 0;
    const counter = new Counter({
      name,
      help,
      labelNames: [...labelNames],
      registers: [],
      collect() {
        this.reset();
        if (isCounted()) countInto(this, root, {});
      },
    });
    registry.registerMetric(counter);
  }

  /** @param values of the labels, in the order of their names */
  add(by: number, ...values: readonly string[]): void {
    let branch = this.#root;
    let isNew = this.#size === 0;
    for (const value of values) {
      let next = branch.next.get(value);
      if (next === undefined) {
        next = new Branch();
        branch.next.set(value, next);
        isNew = true;
      }
      branch = next;
    }
    branch.count += by;
    if (isNew) this.#size += 1;
  }

  /** How many combinations of labels there are. */
  get size(): number {
    return this.#size;
  }

  /** Whether this combination of labels has been counted before. */
  has(...values: readonly string[]): boolean {
    let branch: Branch | undefined = this.#root;
    for (const value of values) branch = branch?.next.get(value);
    return branch !== undefined && this.#size > 0;
  }
}
