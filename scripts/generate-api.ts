import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { load } from 'js-yaml';
import { compile } from 'json-schema-to-typescript';
import { format, resolveConfig } from 'prettier';

import { renderApiReference } from './api-reference.ts';
import type { CustomResourceDefinition, Schema } from './crd-schema.ts';

/**
 * Makes from the CRD, which is the source of truth of the API: the TypeScript types, the reference
 * for people, and the chart's copy. Running it twice changes nothing.
 */
const root = path.join(import.meta.dirname, '..');
const crdFile = path.join(root, 'crds/gitaly.dev_gitalyclusters.yaml');
const typesFile = path.join(root, 'src/api/generated/gitaly-cluster.ts');
const referenceFile = path.join(root, 'docs/api.md');
const chartFile = path.join(root, 'charts/gitaly-operator/files/gitaly.dev_gitalyclusters.yaml');

const crd = load(await readFile(crdFile, 'utf8')) as CustomResourceDefinition;

await write(typesFile, await renderTypes(crd));
await write(referenceFile, renderApiReference(crd));
await mkdir(path.dirname(chartFile), { recursive: true });
await copyFile(crdFile, chartFile);

async function write(file: string, text: string): Promise<void> {
  const options = await resolveConfig(file);
  await mkdir(path.dirname(file), { recursive: true });
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
