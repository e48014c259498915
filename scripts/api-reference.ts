import type { CrdVersion, CustomResourceDefinition, PrinterColumn, Schema } from './crd-schema.ts';
import { conditionTypes, conditions } from '../src/api/conditions.ts';

/** The reference of the API as Markdown, by kind: columns, every field with its rules, conditions. */
export function renderApiReference(crds: readonly CustomResourceDefinition[]): string {
  const kinds = crds.map(({ spec }) => spec.names.kind);
  return [
    '<!-- Generated from crds/ and src/api/conditions.ts by `npm run generate`. -->',
    '# API',
    kinds.map((kind) => `[${kind}](#${kind.toLowerCase()})`).join(', '),
    ...crds.flatMap(renderKind),
  ].join('\n\n');
}

function renderKind({ spec: { group, names, versions } }: CustomResourceDefinition): string[] {
  const [version] = versions;
  if (!version) throw new Error(`the CRD of ${names.kind} has no version`);
  const example = `examples/${names.singular}.yaml`;
  return [
    `## ${names.kind}`,
    `\`apiVersion: ${group}/${version.name}\`, short name \`${names.shortNames?.join('`, `')}\`.`,
    version.schema.openAPIV3Schema.description ?? '',
    `Ready to apply: [${example}](../${example}).`,
    '### Columns of `kubectl get`',
    renderColumns(version.additionalPrinterColumns ?? []),
    ...renderPart(version, 'spec'),
    ...renderPart(version, 'status'),
    ...(partOf(version, 'status').properties?.['conditions'] ? renderConditions() : []),
  ];
}

function renderColumns(columns: readonly PrinterColumn[]): string {
  const rows = columns.map(({ name, description, jsonPath, priority = 0 }) => {
    const wide = priority > 0 ? ' (with `-o wide`)' : '';
    return [`${name}${wide}`, description ?? `\`${jsonPath}\``];
  });
  return table(['Column', 'Meaning'], rows);
}

function renderPart(version: CrdVersion, part: string): string[] {
  const schema = partOf(version, part);
  const rules = [
    ...(part === 'spec' ? ownRules('metadata', version.schema.openAPIV3Schema) : []),
    ...collectRules(part, schema),
  ];
  return [
    `### ${part}`,
    table(['Field', 'Type', 'Default', 'Meaning'], fieldRows(part, schema)),
    ...(rules.length > 0
      ? ['#### Rules', 'What the API server answers to a manifest that breaks one:']
      : []),
    ...(rules.length > 0 ? [rules.join('\n')] : []),
  ];
}

function partOf(version: CrdVersion, part: string): Schema {
  const schema = version.schema.openAPIV3Schema.properties?.[part];
  if (!schema) throw new Error(`the CRD has no ${part}`);
  return schema;
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
  return [
    '### Conditions',
    'Each has the generation that it is about, and a message that says what to do next.',
    ...conditionTypes.flatMap((type) => {
      const { meaning: text, reasons } = conditions[type];
      const rows = Object.entries(reasons).map(([reason, why]) => [`\`${reason}\``, why]);
      return [`#### ${type}`, text, table(['Reason', 'Meaning'], rows)];
    }),
  ];
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
