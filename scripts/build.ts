/** Bundles each program into one file in `dist`, with what it needs beside it: `npm run build`. */
import { chmod, cp, mkdir, rm } from 'node:fs/promises';
import { build } from 'esbuild';
import { bundleSettings } from './bundle-settings.ts';

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
  sourcemap: 'linked',
  sourcesContent: false,
  ...bundleSettings,
});
await cp('src/proxy/store/migrations', 'dist/migrations', { recursive: true });
await chmod('dist/cli.js', 0o755);
