/**
 * Which reader belongs to which format of the schema. Validation asks it what is wrong with a
 * text; the values themselves are read again where they are used.
 */
import type { Fault, Read } from './errors.ts';
import {
  readBrand,
  readCidrText,
  readClaimName,
  readClaimText,
  readDigest,
  readEditedHeader,
  readHeaderName,
  readHost,
  readJoinedHeader,
  readKeyParameter,
  readKeyPrefix,
  readName,
  readOperationName,
  readPrincipal,
  readReference,
  readReferer,
  readTime,
  readWindow,
} from './names.ts';
import { readOrigin } from './origins.ts';
import { readBasePath, readPathTemplate } from './path.ts';
import type { TextFormat } from './schema/schema.ts';
import { readTemplate } from './template.ts';

const READERS: Record<TextFormat, (text: string) => Read<unknown>> = {
  name: readName,
  reference: readReference,
  'operation-name': readOperationName,
  host: readHost,
  'base-path': readBasePath,
  'path-template': readPathTemplate,
  window: readWindow,
  'header-name': readHeaderName,
  'edited-header': readEditedHeader,
  'joined-header': readJoinedHeader,
  'key-prefix': readKeyPrefix,
  'key-parameter': readKeyParameter,
  'header-template': readTemplate,
  digest: readDigest,
  principal: readPrincipal,
  claim: readClaimName,
  'claim-text': readClaimText,
  cidr: readCidrText,
  referer: readReferer,
  time: readTime,
  brand: readBrand,
  origin: readOrigin,
};

/** What is wrong with a text of a format, or undefined. */
export function faultOf(format: TextFormat, text: string): Fault | undefined {
  const result = READERS[format](text);
  return result.ok ? undefined : result;
}

/** The value of a text that validation let pass. */
export function passed<T>(result: Read<T>): T {
  if (!result.ok) throw new Error(`a text passed validation that it must not: ${result.code}`);
  return result.value;
}
