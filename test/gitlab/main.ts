/** The stand-in for GitLab as a program: `node gitlab.js PORT SECRET-FILE`. */
import { readFile } from 'node:fs/promises';
import { startInternalApi } from './internal-api.ts';

const [port, secretFile] = process.argv.slice(2);
if (port === undefined || secretFile === undefined) {
  throw new Error('usage: gitlab PORT SECRET-FILE');
}
const secret = (await readFile(secretFile, 'utf8')).trim();
const api = await startInternalApi({ host: '0.0.0.0', port: Number(port), secret });
console.log(`allows every push; port ${api.port}`);
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    void api.stop();
  });
}
