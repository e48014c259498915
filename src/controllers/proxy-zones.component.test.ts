import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';

import { patientClock } from '../../test/support/patient-clock.ts';
import { implement, startRpcServer } from '../../test/support/rpc-server.ts';
import { Scope } from '../base/scope.ts';
import { AdminService } from '../gen/gitaly_operator/v1/admin_pb.ts';
import { rpcProxyZones } from './proxy-zones.ts';

let scope: Scope;
beforeEach(() => {
  scope = new Scope();
});
afterEach(() => scope.stop());

const zones = rpcProxyZones(patientClock);
const change = { virtualStorage: 'default', storage: 's-0', zone: 'europe-west1-b' };

describe('a zone', () => {
  test('is told to one proxy, and to the next if that one cannot take it', async () => {
    const told: object[] = [];
    const admin = implement(AdminService, {
      async setStorageZone({ virtualStorage, storage, zone }) {
        told.push({ virtualStorage, storage, zone });
        return {};
      },
    });
    const old = scope.own(
      await startRpcServer([implement(AdminService, { getStatus: () => Promise.resolve({}) })]),
    );
    const able = scope.own(await startRpcServer([admin]));
    const endpoints = [old, able, able].map(({ port }, index) => ({
      name: `p-${index}`,
      address: `127.0.0.1:${port}`,
    }));
    expect(await zones.tell(endpoints, 't', change)).toEqual({ kind: 'done' });
    expect(told).toEqual([change]);
    const failed = await zones.tell(endpoints.slice(0, 1), 't', change);
    expect(failed).toMatchObject({ kind: 'failed', message: expect.stringContaining('p-0') });
    expect(await zones.tell([], 't', change)).toMatchObject({ kind: 'failed' });
  });
});
