/**
 * Completes package-lock.json: `npm ci` refuses a lock that lacks an optional dependency of a package
 * in it. npm leaves one out when the registry does not have that very version, as happens with
 * binaries for other platforms that are published later than their parent. They are never installed
 * here, so an entry that says which platform they are for is enough.
 *
 * Run after every `npm install`: `npm run lock`.
 */
import { readFileSync, writeFileSync } from 'node:fs';

interface LockedPackage {
  readonly version?: string;
  readonly optional?: boolean;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
  readonly libc?: readonly string[];
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

interface Lock {
  packages: Record<string, LockedPackage>;
}

const path = new URL('../package-lock.json', import.meta.url);
const lock = JSON.parse(readFileSync(path, 'utf8')) as Lock;

/** Node's names of platforms and processors, which the names of such packages are made of. */
const platforms: Readonly<Record<string, string>> = {
  aix: 'aix',
  android: 'android',
  darwin: 'darwin',
  freebsd: 'freebsd',
  linux: 'linux',
  netbsd: 'netbsd',
  openbsd: 'openbsd',
  openharmony: 'openharmony',
  sunos: 'sunos',
  wasm32: 'wasm32',
  wasi: 'wasi',
  win32: 'win32',
  windows: 'win32',
};

function stubFor(name: string, version: string): LockedPackage {
  const words = name.split(/[-/@_]/);
  const os = words.map((word) => platforms[word]).find((platform) => platform !== undefined);
  if (os === undefined) {
    throw new Error(`${name} is missing in the lock and its name tells no platform: look at it`);
  }
  return { version, optional: true, os: [os] };
}

/** Where npm finds a package that `parent` asks for: beside it, or further up. */
function isLocked(parent: string, name: string): boolean {
  for (let folder = parent; ; folder = folder.slice(0, folder.lastIndexOf('/node_modules/'))) {
    if (`${folder}/node_modules/${name}` in lock.packages) return true;
    if (!folder.includes('/node_modules/')) return `node_modules/${name}` in lock.packages;
  }
}

let added = 0;
for (const [parent, { optionalDependencies = {} }] of Object.entries(lock.packages)) {
  for (const [name, range] of Object.entries(optionalDependencies)) {
    if (parent === '' || isLocked(parent, name)) continue;
    lock.packages[`node_modules/${name}`] = stubFor(name, range.replace(/^[\^~]/, ''));
    added += 1;
  }
}
lock.packages = Object.fromEntries(
  Object.entries(lock.packages).toSorted(([a], [b]) => (a < b ? -1 : 1)),
);
writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`);
console.log(`${added} entries added to package-lock.json`);
