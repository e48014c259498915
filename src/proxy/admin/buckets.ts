import { Histogram } from 'prom-client';

/** How many values fell under each bound. */
export class Buckets {
  readonly #bounds: readonly number[];
  readonly #counts: number[];
  #sum = 0;

  /** @param bounds ascending; a value that is equal to one falls under it */
  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = [...bounds, Number.POSITIVE_INFINITY].map(() => 0);
  }

  record(value: number): void {
    let index = 0;
    while (value > (this.#bounds[index] ?? Number.POSITIVE_INFINITY)) index += 1;
    this.#counts[index] = (this.#counts[index] ?? 0) + 1;
    this.#sum += value;
  }

  /** The series of a Prometheus histogram: its buckets add up. */
  series(name: string, labels: Readonly<Record<string, string>>): HistogramSeries[] {
    let total = 0;
    const buckets = this.#counts.map((count, index) => {
      total += count;
      const le = this.#bounds[index] ?? '+Inf';
      return { metricName: `${name}_bucket`, labels: { le, ...labels }, value: total };
    });
    return [
      ...buckets,
      { metricName: `${name}_sum`, labels, value: this.#sum },
      { metricName: `${name}_count`, labels, value: total },
    ];
  }
}

interface HistogramSeries {
  readonly metricName: string;
  readonly labels: Record<string, string | number>;
  readonly value: number;
}

export interface BucketHistogramOptions {
  readonly name: string;
  readonly help: string;
  readonly bounds: readonly number[];
  /** What there is to tell, with the labels of each. */
  read(): Iterable<readonly [Readonly<Record<string, string>>, Buckets]>;
}

/**
 * A histogram that is kept elsewhere, for the path of calls: prom-client's own checks and hashes the
 * labels with each value.
 */
export class BucketHistogram extends Histogram {
  readonly #options: BucketHistogramOptions;
  /** Says what every histogram says of itself. */
  readonly #empty: Histogram;

  constructor(options: BucketHistogramOptions) {
    const { name, help, bounds } = options;
    super({ name, help, buckets: [...bounds], registers: [] });
    this.#options = options;
    this.#empty = new Histogram({ name, help, registers: [] });
  }

  override get(): ReturnType<Histogram['get']> {
    return this.getForPromString();
  }

  /** What prom-client calls for the text form, if it is there. */
  async getForPromString(): ReturnType<Histogram['get']> {
    const { name, read } = this.#options;
    const values = [...read()].flatMap(([labels, buckets]) => buckets.series(name, labels));
    return { ...(await this.#empty.get()), values };
  }
}
