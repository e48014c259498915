import { readFile } from 'node:fs/promises';
import { describe, expect, it } from '@jest/globals';
import { knownMethods, type MethodInfo } from '../../src/proxy/routing/method-table.ts';
import { writeClassOf } from '../../src/proxy/relay/write-classes.ts';
import { mutants } from './mutants.ts';
import { scenarios } from './scenarios.ts';
import { shortFaults } from './short-faults.ts';

const text = await readFile(new URL('../../docs/write-protocol.md', import.meta.url), 'utf8');

/** The cells of the table's rows that follow a heading. */
function rowsOf(heading: string): readonly (readonly string[])[] {
  const [, section = ''] = text.split(`\n## ${heading}\n`);
  const [own = ''] = section.split('\n## ');
  const lines = own.split('\n').filter((line) => line.startsWith('| '));
  return lines.slice(2).map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

/** What stands between backticks. */
function named(cell: string | undefined): readonly string[] {
  return [...(cell ?? '').matchAll(/`([^`]+)`/g)].map(([, name = '']) => name);
}

/** The row that a method which changes something belongs to, as the code treats it. */
function classOf(method: MethodInfo): string {
  const { name, op, creates, additional, borrowsFromAdditional } = method;
  if (op === 'maintenance') return 'maintenance';
  if (removing.has(name)) return 'removal';
  if (creates !== undefined) return additional === undefined ? 'creation' : 'pool';
  if (additional !== undefined || borrowsFromAdditional === true) return 'two';
  return { atFirstVote: 'push', atDispatch: 'voting', beforeDispatch: 'other' }[
    writeClassOf(method).intent
  ];
}

/** The proxy answers these itself (`src/proxy/admin`). */
const removing = new Set([
  '/gitaly.RepositoryService/RemoveRepository',
  '/gitaly.ObjectPoolService/DeleteObjectPool',
]);

function sorted(names: Iterable<string>): readonly string[] {
  return [...names].toSorted((a, b) => a.localeCompare(b));
}

describe('the tables of the write protocol', () => {
  it('have each method that changes a repository in the row of its class', () => {
    const changing = knownMethods.filter(
      ({ op, scope }) => scope === 'repository' && (op === 'mutator' || op === 'maintenance'),
    );
    const rows = rowsOf('Classes');
    for (const [name = '', methods] of rows) {
      if (name === 'other' || name === 'replication') continue;
      const own = changing.filter((method) => classOf(method) === name);
      expect([name, ...sorted(named(methods))]).toEqual([
        name,
        ...sorted(own.map((method) => method.name.split('/')[2] ?? '')),
      ]);
    }
    const classes = new Set(changing.map(classOf));
    expect(sorted(classes)).toEqual(
      sorted(rows.map(([name = '']) => name).filter((name) => name !== 'replication')),
    );
  });

  it('name the scenarios and the faults that are played', () => {
    const [, listed = ''] = /\nScenarios: (.*?)\n\n/s.exec(text) ?? [];
    expect(named(listed)).toEqual(scenarios.map(({ name }) => name));
    const faults = new Set(rowsOf('The simulation').flatMap(([, cell]) => named(cell)));
    const played = [...shortFaults.keys()].map((name) =>
      name.replace(/^(p1-[ab]|p[12]|[abc])-/, ''),
    );
    expect(sorted(faults)).toEqual(sorted(new Set(played)));
  });

  it('name the guards that are taken out in turn', () => {
    const guards = rowsOf('Guards').flatMap(([cell]) => named(cell));
    expect(guards).toEqual(mutants.map(({ name }) => name));
  });

  it('name guards that stand in the code, each once', async () => {
    for (const { file, guard } of mutants.flatMap(({ edits }) => edits)) {
      const code = await readFile(new URL(`../../${file}`, import.meta.url), 'utf8');
      expect([guard, code.split(guard).length - 1]).toEqual([guard, 1]);
    }
  });
});
