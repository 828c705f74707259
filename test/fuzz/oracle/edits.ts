/**
 * What becomes of the headers of a request: which are cut, removed and set (docs/wire.md, "What
 * becomes of the headers"). Order does not count; the emulator's header map does the joining.
 */
import { HeaderMap, type Pair } from '../../../host/emulator/index.ts';
import type { Policy, PolicyProduct } from '../../../host/wire/policy.ts';
import { withoutKey } from './identify.ts';
import { slice } from './match.ts';
import { wireText } from './world.ts';

/** What a value may be made of; what the request does not have is undefined. */
export interface Party {
  readonly consumer?: string;
  readonly application?: string;
  readonly plan?: string;
  readonly credential?: number;
}

/** The headers without the keys of these products. */
export function withoutKeys(
  policy: Policy,
  products: readonly PolicyProduct[],
  headers: readonly Pair[],
): Pair[] {
  return headers.flatMap((header) => {
    let left: Pair | undefined = header;
    for (const product of products) left = left && withoutKey(policy, product, left);
    return left ? [left] : [];
  });
}

/** Whether a name is one that only the filter may set. */
export function isIdentity(policy: Policy | undefined, name: string): boolean {
  const dashed = name.replaceAll('_', '-');
  return dashed.startsWith('x-sidegate-') || (policy?.identity ?? []).includes(dashed);
}

/** The headers without identity headers. */
export function withoutIdentity(policy: Policy | undefined, headers: readonly Pair[]): Pair[] {
  return headers.filter(([name]) => !isIdentity(policy, name));
}

/** The headers after a product's program. */
export function mediated(
  policy: Policy,
  product: PolicyProduct,
  party: Party,
  headers: readonly Pair[],
): Pair[] {
  const map = new HeaderMap('request', headers);
  for (const step of slice(policy.program, product.program)) {
    const value = composed(policy, step.parts, product, party);
    if (step.op === 3 || value === undefined) map.remove(step.name);
    else if (step.op === 1) map.replace(step.name, value);
    else map.add(step.name, value);
  }
  return map.pairs();
}

function composed(
  policy: Policy,
  range: { first: number; count: number },
  product: PolicyProduct,
  party: Party,
): string | undefined {
  let value = '';
  for (const { kind, text } of slice(policy.parts, range)) {
    const { consumer, application, plan, credential } = party;
    const part = [text, consumer, application, plan, product.name, credential?.toString()][kind];
    if (part === undefined) return undefined;
    value += wireText(part);
  }
  return value;
}
