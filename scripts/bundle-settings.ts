import type { BuildOptions } from 'esbuild';

/** Some dependencies are CommonJS and expect its globals inside the ES module that they end up in. */
const commonJsGlobals = `
import { createRequire as __createRequire } from 'node:module';
import { fileURLToPath as __fileURLToPath } from 'node:url';
import { dirname as __pathDirname } from 'node:path';
const require = __createRequire(import.meta.url);
const __filename = __fileURLToPath(import.meta.url);
const __dirname = __pathDirname(__filename);
`;

/** How a program becomes one file for Node.js, whoever bundles it. */
export const bundleSettings = {
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'esm',
  external: ['pg-native'],
  banner: { js: commonJsGlobals },
  logLevel: 'warning',
} as const satisfies BuildOptions;
