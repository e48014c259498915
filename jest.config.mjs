const transform = {
  '^.+\\.ts$': [
    '@swc/jest',
    { jsc: { parser: { syntax: 'typescript' }, target: 'es2022' }, module: { type: 'es6' } },
  ],
};

/** Settings that all projects share. */
const base = {
  transform,
  extensionsToTreatAsEsm: ['.ts'],
  testEnvironment: 'node',
  injectGlobals: false,
};

/**
 * Three projects, fastest first:
 * - unit: pure code, no sockets, no processes;
 * - component: real sockets, real git, a real PostgreSQL, all on loopback;
 * - e2e: the product on a real Kubernetes.
 */
export default {
  projects: [
    {
      ...base,
      displayName: 'unit',
      testMatch: ['<rootDir>/{src,test,scripts,model}/**/*.test.ts'],
      testPathIgnorePatterns: ['\\.component\\.test\\.ts$', '/node_modules/'],
    },
    {
      ...base,
      displayName: 'component',
      testMatch: ['<rootDir>/{src,test}/**/*.component.test.ts'],
      testPathIgnorePatterns: ['/node_modules/'],
      globalSetup: '<rootDir>/test/support/component-setup.ts',
      globalTeardown: '<rootDir>/test/support/component-teardown.ts',
    },
    {
      ...base,
      displayName: 'e2e',
      testMatch: ['<rootDir>/test/e2e/**/*.e2e.ts'],
      globalSetup: '<rootDir>/test/e2e/setup.ts',
      globalTeardown: '<rootDir>/test/e2e/teardown.ts',
    },
  ],
  // For what hangs. What only takes its time, on a machine that does much else, is to pass.
  testTimeout: 120_000,
};
