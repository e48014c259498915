/** Replaced when the first e2e test exists. */
export default function teardown(): void {}
