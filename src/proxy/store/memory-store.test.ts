import { systemClock } from '../../base/clock.ts';
import { describeControlStore } from './control-store.conformance.ts';
import { MemoryDatabase } from './memory-database.ts';
import { createMemoryStore, type MemoryStore } from './memory-store.ts';

const database = new MemoryDatabase({ clock: systemClock });
const stores: MemoryStore[] = [];

describeControlStore('the memory store', {
  async open() {
    const store = createMemoryStore({ clock: systemClock, database });
    stores.push(store);
    return store;
  },
  async interrupt() {
    for (const store of stores) {
      store.disconnect();
      store.reconnect();
    }
  },
});
