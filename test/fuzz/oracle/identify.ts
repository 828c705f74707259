/**
 * Which values of a request are keys, and whether a key has Sidegate's form: docs/wire.md,
 * section 3. It must never look a key up.
 */
import { crc32 } from 'node:zlib';
import type { Pair } from '../../../host/emulator/index.ts';
import type { Policy, PolicyProduct, PolicySource } from '../../../host/wire/policy.ts';
import { type Field, type FieldKind, fieldsOf, withoutFields } from './fields.ts';
import { slice } from './match.ts';
import { wireText } from './world.ts';

/** A value of a request that counts as a key of a product. */
export interface Counted {
  /** Place of the source in the product's list. */
  readonly source: number;
  readonly key: string;
}

const KEY_BYTES_MAX = 512;
const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

const HEADER = 1;
/** Kinds of sources whose keys stand in fields, and the headers that hold those. */
const IN_FIELDS: Readonly<Record<number, { kind: FieldKind; header: string }>> = {
  2: { kind: 'query', header: ':path' },
  3: { kind: 'cookie', header: 'cookie' },
};
/** A proxy that rewrote the path keeps here what it was; nobody is identified by it. */
const ORIGINAL_PATH = 'x-envoy-original-path';

/** Every value that counts as a key of a product. */
export function countedKeys(
  policy: Policy,
  product: PolicyProduct,
  headers: readonly Pair[],
): Counted[] {
  return slice(policy.sources, product.sources).flatMap((source, index) =>
    headers.flatMap(([name, value]) => {
      const { kind, header } = IN_FIELDS[source.kind] ?? {};
      const values =
        kind === undefined
          ? [name === wireText(source.name) ? headerKey(source, value) : '']
          : fieldsOf(kind, name === header ? value : '').map((field) => fieldKey(source, field));
      return values
        .filter((key) => isBranded(policy, product, key))
        .map((key) => ({ source: index, key }));
    }),
  );
}

/** A header without the keys of a product that stand in it; undefined if nothing is left of it. */
export function withoutKey(
  policy: Policy,
  product: PolicyProduct,
  [name, value]: Pair,
): Pair | undefined {
  const sources = slice(policy.sources, product.sources);
  const counts = (key: string) => isBranded(policy, product, key);
  const isKey = sources.some(
    (source) =>
      source.kind === HEADER && name === wireText(source.name) && counts(headerKey(source, value)),
  );
  if (isKey) return undefined;
  let left: string | undefined = value;
  for (const source of sources) {
    const { kind, header } = IN_FIELDS[source.kind] ?? {};
    if (kind === undefined || left === undefined) continue;
    if (name !== header && (kind !== 'query' || name !== ORIGINAL_PATH)) continue;
    left = withoutFields(kind, left, (field) => counts(fieldKey(source, field)));
  }
  return left === undefined ? undefined : [name, left];
}

function headerKey(source: PolicySource, value: string): string {
  return afterPrefix(value, wireText(source.prefix)) ?? '';
}

function fieldKey(source: PolicySource, { name, value }: Field): string {
  return name === wireText(source.name) ? value : '';
}

function isBranded(policy: Policy, product: PolicyProduct, key: string): boolean {
  const brands = slice(policy.brands, product.brands).map(wireText);
  if (key === '') return false;
  return brands.length === 0 || brands.some((brand) => key.startsWith(`${brand}_`));
}

/** The one key of those counted, none of them, or that they contradict each other. */
export function oneKey(counted: readonly Counted[]): string | 'missing' | 'conflict' {
  const sources = counted.map(({ source }) => source);
  const keys = new Set(counted.map(({ key }) => key));
  if (new Set(sources).size < sources.length || keys.size > 1) return 'conflict';
  // A filter reads no further than it takes to see that a key is too long, and so compares none.
  if (counted.length > 1 && counted.some(({ key }) => key.length > KEY_BYTES_MAX)) {
    return 'conflict';
  }
  return counted[0]?.key ?? 'missing';
}

/** Whether a key may be looked up at all. */
export function isWellFormed(policy: Policy, product: PolicyProduct, key: string): boolean {
  if (key.length > KEY_BYTES_MAX) return false;
  if (!product.ownKeyFormat) return true;
  const named = slice(policy.brands, product.brands).map(wireText);
  const brands = named.length > 0 ? named : [key.slice(0, -37)];
  return brands.some((brand) => {
    const rest = key.slice(brand.length + 1);
    if (!key.startsWith(`${brand}_`) || !/^[0-9A-Za-z]{36}$/.test(rest)) return false;
    const body = key.slice(0, -6);
    let sum = crc32(Buffer.from(body, 'latin1'));
    let digits = '';
    for (let i = 0; i < 6; i++) {
      digits = DIGITS[sum % 62] + digits;
      sum = Math.floor(sum / 62);
    }
    return key.endsWith(digits);
  });
}

function afterPrefix(value: string, prefix: string): string | undefined {
  if (lower(value.slice(0, prefix.length)) !== lower(prefix)) return undefined;
  return value.slice(prefix.length).replace(/^ +| +$/g, '');
}

function lower(text: string): string {
  return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}
