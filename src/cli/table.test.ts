import { describe, expect, test } from '@jest/globals';
import { count, formatFields, formatTable } from './table.ts';

const columns = [
  { heading: 'STORAGE' },
  { heading: 'REPLICAS', align: 'right' },
  { heading: 'WHY' },
] as const;

describe('a table', () => {
  test('has aligned columns and no spaces at the ends of lines', () => {
    const rows = [
      ['gitaly-0', '12', ''],
      ['g1', '1204', 'no answer'],
    ];
    expect(formatTable(columns, rows)).toBe(
      ['STORAGE   REPLICAS  WHY', 'gitaly-0        12', 'g1            1204  no answer'].join('\n'),
    );
  });

  test('without rows is its headings', () => {
    expect(formatTable(columns, [])).toBe('STORAGE  REPLICAS  WHY');
  });

  test('shows control characters as question marks', () => {
    expect(formatTable([{ heading: 'A' }], [['x\u001b[2Jy\n']])).toBe('A\nx?[2Jy?');
    expect(formatFields([['Path', 'a\tb']])).toBe('Path:  a?b');
  });
});

test('fields have aligned values', () => {
  const fields = [
    ['Id', '1'],
    ['Primary', ''],
  ] as const;
  expect(formatFields(fields)).toBe('Id:       1\nPrimary:');
});

test('things are counted in words', () => {
  expect(count(1n, 'repository', 'repositories')).toBe('1 repository');
  expect(count(0, 'repository', 'repositories')).toBe('0 repositories');
});
