/**
 * Stored resources as people write them: whole YAML documents that load to the same resources.
 */
import { stringify } from 'yaml';
import { API_VERSION } from './schema/schema.ts';

interface Stored {
  readonly kind: string;
  readonly text: string;
}

/** A resource with every field it has in a file. */
export function wholeResource({ kind, text }: Stored): Record<string, unknown> {
  const { metadata, spec } = JSON.parse(text) as Record<string, unknown>;
  return { apiVersion: API_VERSION, kind, metadata, ...(spec === undefined ? {} : { spec }) };
}

/** A resource as one YAML document, without a mark before it. */
export function resourceYaml(resource: Stored): string {
  return stringify(wholeResource(resource), { aliasDuplicateObjects: false, lineWidth: 100 });
}

/** Resources as one file. */
export function resourcesYaml(resources: readonly Stored[]): string {
  return resources.map(resourceYaml).join('---\n');
}
