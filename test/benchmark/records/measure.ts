import { once } from 'node:events';
import { measurePlanning } from './planning.ts';
import { startRecords, type Order } from './records.ts';
import { measureRouting } from './routing.ts';

const [order] = (await once(process, 'message')) as [Order];
const records = await startRecords(order);
const costs = [...(await measureRouting(records)), ...(await measurePlanning(records))];
await records.stop();
process.send?.(costs);
