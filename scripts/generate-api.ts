import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { load } from 'js-yaml';
import { compile } from 'json-schema-to-typescript';
import { format, resolveConfig } from 'prettier';

import { renderApiReference } from './api-reference.ts';
import type { CustomResourceDefinition, Schema } from './crd-schema.ts';

/**
 * Makes from the CRDs, which are the source of truth of the API: the TypeScript types, the reference
 * for people, and the chart's copies. Running it twice changes nothing.
 */
const root = path.join(import.meta.dirname, '..');
const typesFolder = path.join(root, 'src/api/generated');
const chartFolder = path.join(root, 'charts/gitaly-operator/files');
const kinds = [
  { crdFile: 'gitaly.dev_gitalyclusters.yaml', typesFile: 'gitaly-cluster.ts' },
  { crdFile: 'gitaly.dev_gitalymaintenances.yaml', typesFile: 'gitaly-maintenance.ts' },
];

await mkdir(typesFolder, { recursive: true });
await mkdir(chartFolder, { recursive: true });
const crds: CustomResourceDefinition[] = [];
for (const { crdFile, typesFile } of kinds) {
  const source = path.join(root, 'crds', crdFile);
  const crd = load(await readFile(source, 'utf8')) as CustomResourceDefinition;
  crds.push(crd);
  await write(path.join(typesFolder, typesFile), await renderTypes(crd));
  await copyFile(source, path.join(chartFolder, crdFile));
}
await write(path.join(root, 'docs/api.md'), renderApiReference(crds));

async function write(file: string, text: string): Promise<void> {
  const options = await resolveConfig(file);
  await writeFile(file, await format(text, { ...options, filepath: file }));
}

async function renderTypes({ spec }: CustomResourceDefinition): Promise<string> {
  const [version] = spec.versions;
  if (!version) throw new Error('the CRD has no version');
  return compile(forTypes(version.schema.openAPIV3Schema, new Set()), spec.names.kind, {
    additionalProperties: false,
    bannerComment: '/* Generated from crds/ by `npm run generate`. Edit the CRD instead. */',
    ignoreMinAndMaxItems: true,
    format: false,
  });
}

/**
 * The schema with Kubernetes' extensions put into words that the type generator knows. A title that
 * is in `named` already stands for the same type.
 */
function forTypes(schema: Schema, named: Set<string>): object {
  const { title, properties, items, additionalProperties, ...rest } = schema;
  if (title !== undefined && named.has(title)) {
    return { tsType: title, description: schema.description };
  }
  if (title !== undefined) named.add(title);
  const open = schema['x-kubernetes-preserve-unknown-fields'] === true;
  const isObject = properties?.['metadata'] !== undefined;
  return {
    ...rest,
    ...(title !== undefined && { title }),
    ...(properties && { properties: propertiesForTypes(properties, named) }),
    ...(isObject && { required: ['apiVersion', 'kind', 'metadata', ...(schema.required ?? [])] }),
    ...(items && { items: forTypes(items, named) }),
    ...(additionalProperties && { additionalProperties: forTypes(additionalProperties, named) }),
    ...(open && { additionalProperties: true }),
  };
}

function propertiesForTypes(
  properties: Readonly<Record<string, Schema>>,
  named: Set<string>,
): Record<string, object> {
  return Object.fromEntries(
    Object.entries(properties).map(([name, property]) => [
      name,
      name === 'metadata'
        ? { tsType: "import('../kubernetes.ts').ObjectMeta" }
        : forTypes(property, named),
    ]),
  );
}
