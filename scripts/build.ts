/** Bundles each program into one file in `dist`, with what it needs beside it: `npm run build`. */
import { chmod, cp, mkdir, rm } from 'node:fs/promises';
import { build } from 'esbuild';

/** Some dependencies are CommonJS and expect its globals inside the ES module that they end up in. */
const commonJsGlobals = `
import { createRequire as __createRequire } from 'node:module';
import { fileURLToPath as __fileURLToPath } from 'node:url';
import { dirname as __pathDirname } from 'node:path';
const require = __createRequire(import.meta.url);
const __filename = __fileURLToPath(import.meta.url);
const __dirname = __pathDirname(__filename);
`;

await rm('dist', { recursive: true, force: true });
await mkdir('dist', { recursive: true });
await build({
  entryPoints: {
    operator: 'src/main/operator.ts',
    proxy: 'src/main/proxy.ts',
    cli: 'src/main/cli.ts',
    'test/storage-node': 'test/storage-node/main.ts',
    'test/gitlab': 'test/gitlab/main.ts',
  },
  outdir: 'dist',
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'esm',
  sourcemap: 'linked',
  sourcesContent: false,
  external: ['pg-native'],
  banner: { js: commonJsGlobals },
  logLevel: 'warning',
});
await cp('src/proxy/store/migrations', 'dist/migrations', { recursive: true });
await chmod('dist/cli.js', 0o755);
