import fc from 'fast-check';

/**
 * The seed of the property tests. By default one and the same, so that a change fails for what it
 * changes and not for what nobody had found before; `npm run soak` looks for that.
 */
const seed = process.env['PROPERTY_SEED'] ?? '20261121';

if (seed !== 'random') fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: Number(seed) });

export { fc };
