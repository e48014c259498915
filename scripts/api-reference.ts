import type { CrdVersion, CustomResourceDefinition, PrinterColumn, Schema } from './crd-schema.ts';
import { conditionTypes, conditions } from '../src/api/conditions.ts';

/** The reference of the API as Markdown: columns, every field with its rules, and conditions. */
export function renderApiReference({ spec }: CustomResourceDefinition): string {
  const [version] = spec.versions;
  if (!version) throw new Error('the CRD has no version');
  return [
    '<!-- Generated from crds/ and src/api/conditions.ts by `npm run generate`. -->',
    `# ${spec.names.kind}`,
    `\`apiVersion: ${spec.group}/${version.name}\`, short name \`${spec.names.shortNames?.join('`, `')}\`.`,
    version.schema.openAPIV3Schema.description ?? '',
    'Ready to apply: [examples/gitalycluster.yaml](../examples/gitalycluster.yaml).',
    '## Columns of `kubectl get`',
    renderColumns(version.additionalPrinterColumns ?? []),
    ...renderPart(version, 'spec'),
    ...renderPart(version, 'status'),
    '## Conditions',
    'Each has the generation that it is about, and a message that says what to do next.',
    ...renderConditions(),
  ].join('\n\n');
}

function renderColumns(columns: readonly PrinterColumn[]): string {
  const rows = columns.map(({ name, description, jsonPath, priority = 0 }) => {
    const wide = priority > 0 ? ' (with `-o wide`)' : '';
    return [`${name}${wide}`, description ?? `\`${jsonPath}\``];
  });
  return table(['Column', 'Meaning'], rows);
}

function renderPart(version: CrdVersion, part: string): string[] {
  const schema = version.schema.openAPIV3Schema.properties?.[part];
  if (!schema) throw new Error(`the CRD has no ${part}`);
  const rules = [
    ...(part === 'spec' ? ownRules('metadata', version.schema.openAPIV3Schema) : []),
    ...collectRules(part, schema),
  ];
  return [
    `## ${part}`,
    table(['Field', 'Type', 'Default', 'Meaning'], fieldRows(part, schema)),
    ...(rules.length > 0
      ? ['### Rules', 'What the API server answers to a manifest that breaks one:']
      : []),
    ...(rules.length > 0 ? [rules.join('\n')] : []),
  ];
}

function fieldRows(parent: string, schema: Schema): string[][] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, property]) => {
    const field = `${parent}.${name}`;
    const required = schema.required?.includes(name) ? ' (required)' : '';
    const inner = property.items ?? property;
    const row = [
      `\`${field}\`${required}`,
      typeName(property),
      defaultText(property),
      meaning(property),
    ];
    return [row].concat(fieldRows(property.items ? `${field}[]` : field, inner));
  });
}

function typeName(schema: Schema): string {
  if (schema.enum) return schema.enum.map((value) => `\`${value}\``).join(', ');
  if (schema.items) return `list of ${typeName(schema.items)}`;
  if (schema.additionalProperties) return 'map';
  if (schema['x-kubernetes-preserve-unknown-fields']) return 'object, as in a pod';
  return schema.type ?? '';
}

function defaultText(schema: Schema): string {
  return schema.default === undefined ? '' : `\`${JSON.stringify(schema.default)}\``;
}

function meaning({ description, items, minimum, maximum }: Schema): string {
  const range =
    minimum !== undefined && maximum !== undefined ? ` From ${minimum} to ${maximum}.` : '';
  return `${description ?? items?.description ?? ''}${range}`;
}

function collectRules(field: string, schema: Schema): string[] {
  return [
    ...ownRules(field, schema),
    ...(schema.items ? collectRules(`${field}[]`, schema.items) : []),
    ...Object.entries(schema.properties ?? {}).flatMap(([name, property]) =>
      collectRules(`${field}.${name}`, property),
    ),
  ];
}

function ownRules(field: string, schema: Schema): string[] {
  return (schema['x-kubernetes-validations'] ?? []).map(
    ({ message, fieldPath = '' }) => `- \`${field}${fieldPath}\`: ${message}`,
  );
}

function renderConditions(): string[] {
  return conditionTypes.flatMap((type) => {
    const { meaning: text, reasons } = conditions[type];
    const rows = Object.entries(reasons).map(([reason, why]) => [`\`${reason}\``, why]);
    return [`### ${type}`, text, table(['Reason', 'Meaning'], rows)];
  });
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
