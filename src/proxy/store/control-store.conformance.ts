import { describe } from '@jest/globals';
import { describeDrains } from './conformance/drains.ts';
import { describeIdentities } from './conformance/identities.ts';
import { describeInSyncSets } from './conformance/in-sync-sets.ts';
import { describeLeases } from './conformance/leases.ts';
import { describeListing } from './conformance/listing.ts';
import { describeRecords } from './conformance/records.ts';
import { describeSettings } from './conformance/settings.ts';
import type { Harness } from './conformance/support.ts';
import { describeVerifications } from './conformance/verifications.ts';
import { describeWatching } from './conformance/watching.ts';

/** Every promise of `ControlStore`, as tests that each implementation must pass. */
export function describeControlStore(name: string, harness: Harness): void {
  describe(`${name} keeps the promises of a control store`, () => {
    describeRecords(harness);
    describeListing(harness);
    describeInSyncSets(harness);
    describeWatching(harness);
    describeLeases(harness);
    describeIdentities(harness);
    describeVerifications(harness);
    describeDrains(harness);
    describeSettings(harness);
  });
}
