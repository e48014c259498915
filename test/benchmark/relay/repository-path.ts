/** The path that `test/go/load` gives to the repository with that number. */
export function repositoryPath(number: number): string {
  return `@hashed/6b/86/${String(number).padStart(8, '0')}.git`;
}
