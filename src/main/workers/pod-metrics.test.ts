import { describe, expect, test } from '@jest/globals';
import { Gauge, Registry } from 'prom-client';
import { Tally } from '../../proxy/admin/tally.ts';
import { BucketHistogram, Buckets } from '../../proxy/admin/buckets.ts';
import { PodMetrics, type MeasuredWorker } from './pod-metrics.ts';

/** A worker with one metric of each kind. */
class CountingWorker {
  readonly number: number;
  readonly isServing = true;
  isResponsive = true;
  readonly connections: number;
  answers = true;
  readonly registry = new Registry();
  readonly writes = new Tally(
    { name: 'writes', help: 'Writes.', labelNames: ['outcome'] },
    this.registry,
  );
  readonly seconds = new Buckets([1, 10]);

  constructor(number: number, healthy: number) {
    this.number = number;
    this.connections = 10 * number;
    const seconds = this.seconds;
    this.registry.registerMetric(
      new BucketHistogram({
        name: 'seconds',
        help: 'Seconds.',
        bounds: [1, 10],
        read: () => [[{ method: 'read' }, seconds]],
      }),
    );
    const gauges = [
      { name: 'healthy', aggregator: 'min', value: healthy },
      { name: 'repairs', aggregator: 'sum', value: number },
    ] as const;
    for (const { name, aggregator, value } of gauges) {
      const gauge = new Gauge({ name, help: 'A gauge.', aggregator, registers: [] });
      gauge.set(value);
      this.registry.registerMetric(gauge);
    }
  }

  /** As it comes through the channel. */
  ask: MeasuredWorker['ask'] = async (question) => {
    if (!this.answers) throw new Error(`no answer to ${question}`);
    return JSON.parse(JSON.stringify(await this.registry.getMetricsAsJSON()));
  };
}

function measure() {
  const running = [new CountingWorker(1, 1), new CountingWorker(2, 0)] as const;
  let workers: readonly CountingWorker[] = running;
  const metrics = new PodMetrics(
    () => workers,
    () => 3,
  );
  const end = (worker: CountingWorker) => {
    workers = workers.filter((other) => other !== worker);
    metrics.workerEnded(worker);
  };
  return { metrics, running, end };
}

describe('the metrics of a pod', () => {
  test('are those of its workers, added up or the least', async () => {
    const { metrics, running } = measure();
    const [first, second] = running;
    first.writes.add(2, 'recorded');
    second.writes.add(3, 'recorded');
    second.writes.add(1, 'failed');
    first.seconds.record(0.5);
    second.seconds.record(5);
    const lines = (await metrics.text()).split('\n');
    expect(lines).toEqual(
      expect.arrayContaining([
        '# TYPE writes counter',
        'writes{outcome="recorded"} 5',
        'writes{outcome="failed"} 1',
        '# TYPE seconds histogram',
        'seconds_bucket{le="1",method="read"} 1',
        'seconds_bucket{le="10",method="read"} 2',
        'seconds_bucket{le="+Inf",method="read"} 2',
        'seconds_sum{method="read"} 5.5',
        'seconds_count{method="read"} 2',
        'healthy 0',
        'repairs 3',
        'gitaly_proxy_workers 2',
        'gitaly_proxy_worker_connections{worker="1"} 10',
        'gitaly_proxy_worker_connections{worker="2"} 20',
        'gitaly_proxy_worker_restarts_total 3',
      ]),
    );
  });

  test('keep what a worker had counted that has ended, and none of its gauges', async () => {
    const { metrics, running, end } = measure();
    const [first, second] = running;
    first.writes.add(2, 'recorded');
    second.writes.add(3, 'recorded');
    second.seconds.record(5);
    await metrics.text();
    end(second);
    first.writes.add(1, 'recorded');
    const text = await metrics.text();
    expect(text).toContain('writes{outcome="recorded"} 6\n');
    expect(text).toContain('seconds_count{method="read"} 1\n');
    expect(text).toContain('\nhealthy 1\n');
    expect(text).toContain('\nrepairs 1\n');
    expect(text).not.toContain('worker="2"');
  });

  test('of a worker that does not answer are what it said before', async () => {
    const { metrics, running } = measure();
    running[1].writes.add(3, 'recorded');
    await metrics.text();
    running[1].writes.add(1, 'recorded');
    running[1].answers = false;
    running[1].isResponsive = false;
    const text = await metrics.text();
    expect(text).toContain('writes{outcome="recorded"} 3\n');
    expect(text).toContain('\ngitaly_proxy_workers 1\n');
  });
});
