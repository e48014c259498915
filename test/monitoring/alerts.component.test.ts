import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { dump, load } from 'js-yaml';
import { describeWithGo } from '../support/describe-with-go.ts';
import { goBuild, goProgramLimitMs } from '../support/go-program.ts';
import { run } from '../testbed/run.ts';
import { monitoringManifests, type PrometheusRule } from './manifests.ts';

const cases = fileURLToPath(new URL('alerts.yaml', import.meta.url));

/** Prometheus' own tool, without what finds targets in clouds. */
const promtool = {
  name: 'promtool',
  module: fileURLToPath(new URL('promtool', import.meta.url)),
  package: 'github.com/prometheus/prometheus/cmd/promtool',
  tags: 'remove_all_sd',
} as const;

interface Cases {
  readonly tests: readonly {
    readonly alert_rule_test: readonly {
      readonly alertname: string;
      readonly exp_alerts: readonly object[];
    }[];
  }[];
}

describeWithGo('the alerts', () => {
  let program: string;
  let folder: string;
  let rule: PrometheusRule;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'alerts-'));
    program = await goBuild(promtool);
    [, rule] = await monitoringManifests();
    await writeFile(join(folder, 'rules.yaml'), dump(rule.spec));
    await copyFile(cases, join(folder, 'alerts.yaml'));
  }, goProgramLimitMs);
  afterAll(() => rm(folder, { recursive: true, force: true }));

  test('are rules that Prometheus takes', async () => {
    const check = ['check', 'rules', '--lint=all', '--lint-fatal', join(folder, 'rules.yaml')];
    expect(await run(program, check)).toContain(`SUCCESS: ${rule.spec.groups[0]?.rules.length}`);
  });

  test('fire for what they are meant for, and for nothing else', async () => {
    expect(await run(program, ['test', 'rules', join(folder, 'alerts.yaml')])).toContain('SUCCESS');
  });

  test('have a case each in which they fire, and one in which they do not', async () => {
    const { tests } = load(await readFile(cases, 'utf8')) as Cases;
    const all = tests.flatMap((one) => one.alert_rule_test);
    const tried = (isFiring: boolean) =>
      new Set(
        all
          .filter((one) => one.exp_alerts.length > 0 === isFiring)
          .map(({ alertname }) => alertname),
      );
    const names = new Set(rule.spec.groups.flatMap(({ rules }) => rules).map(({ alert }) => alert));
    expect(tried(true)).toEqual(names);
    expect(tried(false)).toEqual(names);
  });
});
