/**
 * Which values of a request are keys, and whether a key has Sidegate's form: docs/wire.md,
 * section 3. It must never look a key up.
 */
import { crc32 } from 'node:zlib';
import type { Pair } from '../../../host/emulator/index.ts';
import type { Policy, PolicyProduct } from '../../../host/wire/policy.ts';
import { slice } from './match.ts';
import { wireText } from './world.ts';

/** A value of a request that counts as a key of a product. */
export interface Counted {
  /** Place of the header in the request. */
  readonly at: number;
  /** Place of the source in the product's list. */
  readonly source: number;
  readonly key: string;
}

const KEY_BYTES_MAX = 512;
const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** Every value that counts as a key of a product. */
export function countedKeys(
  policy: Policy,
  product: PolicyProduct,
  headers: readonly Pair[],
): Counted[] {
  const brands = slice(policy.brands, product.brands).map(wireText);
  return slice(policy.sources, product.sources).flatMap((source, index) =>
    headers.flatMap(([name, value], at) => {
      if (name !== wireText(source.name)) return [];
      const key = afterPrefix(value, wireText(source.prefix));
      if (key === undefined || key === '') return [];
      const branded = brands.length === 0 || brands.some((brand) => key.startsWith(`${brand}_`));
      return branded ? [{ at, source: index, key }] : [];
    }),
  );
}

/** The one key of those counted, none of them, or that they contradict each other. */
export function oneKey(counted: readonly Counted[]): string | 'missing' | 'conflict' {
  const sources = counted.map(({ source }) => source);
  const keys = new Set(counted.map(({ key }) => key));
  if (new Set(sources).size < sources.length || keys.size > 1) return 'conflict';
  return counted[0]?.key ?? 'missing';
}

/** Whether a key may be looked up at all. */
export function isWellFormed(policy: Policy, product: PolicyProduct, key: string): boolean {
  if (key.length > KEY_BYTES_MAX) return false;
  if (!product.ownKeyFormat) return true;
  const brands = slice(policy.brands, product.brands).map(wireText);
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
