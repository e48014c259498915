import { expect, test } from '@jest/globals';

import { clusterContext } from '../../test/support/gitaly-cluster.ts';
import { readyCluster, setOf } from '../../test/support/observed-cluster.ts';
import type { ProxyReport } from '../reconcilers/proxy-report.ts';
import { ScaleDowns } from './scale-downs.ts';

const wanted = clusterContext();

/** Decides once, as a look at the cluster does. @returns how many storages there are to be */
function look(scaleDowns: ScaleDowns, seen: { readonly replicas: number; readonly left: number }) {
  const set = setOf(wanted, 'gitaly-default');
  const statefulSets = [{ ...set, spec: { ...set.spec, replicas: seen.replicas } }];
  const context = { ...wanted, spec: scaleDowns.complete(wanted, wanted.spec, statefulSets) };
  const { report } = readyCluster(wanted);
  scaleDowns.note(context, { pods: [], statefulSets, report: withReplicas(report, seen.left) });
  return context.spec.virtualStorages.map(({ storages }) => storages);
}

function withReplicas(report: ProxyReport, replicas: number): ProxyReport {
  if (report.kind === 'silent') return report;
  const [model] = report.virtualStorages.flatMap(({ storages }) => storages);
  if (!model) throw new Error('there is a storage');
  const storages = [0, 1, 2, 3, 4].map((ordinal) =>
    Object.assign({}, model, { name: `gitaly-default-${ordinal}`, replicas }),
  );
  return {
    ...report,
    virtualStorages: report.virtualStorages.map((one) => Object.assign({}, one, { storages })),
  };
}

test('storages go at the look after the one that found them empty', () => {
  const scaleDowns = new ScaleDowns();
  expect(look(scaleDowns, { replicas: 5, left: 3 })).toEqual([5]);
  expect(look(scaleDowns, { replicas: 5, left: 0 })).toEqual([5]);
  expect(look(scaleDowns, { replicas: 5, left: 0 })).toEqual([3]);
});

test('an old view of the StatefulSet does not bring them back, and a larger one is a new beginning', () => {
  const scaleDowns = new ScaleDowns();
  look(scaleDowns, { replicas: 5, left: 0 });
  expect(look(scaleDowns, { replicas: 5, left: 0 })).toEqual([3]);
  expect(look(scaleDowns, { replicas: 5, left: 0 })).toEqual([3]);
  expect(look(scaleDowns, { replicas: 3, left: 0 })).toEqual([3]);
  expect(look(scaleDowns, { replicas: 5, left: 1 })).toEqual([5]);
});

test('a cluster that is gone leaves nothing behind', () => {
  const scaleDowns = new ScaleDowns();
  look(scaleDowns, { replicas: 5, left: 0 });
  scaleDowns.forget(wanted);
  expect(look(scaleDowns, { replicas: 5, left: 0 })).toEqual([5]);
});
