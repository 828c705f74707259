/**
 * What becomes of the headers of a request: which are cut, removed and set (docs/wire.md, "What
 * becomes of the headers"). Order does not count; the emulator's header map does the joining.
 */
import { HeaderMap, type Pair } from '../../../host/emulator/index.ts';
import type {
  Policy,
  PolicyOperation,
  PolicyPlan,
  PolicyProduct,
  PolicyStep,
} from '../../../host/wire/policy.ts';
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

/** Whose programs a request meets. */
export interface Programs {
  readonly product: PolicyProduct;
  readonly plan?: PolicyPlan;
  readonly operation?: PolicyOperation;
}

/** The headers of a request or a response after the programs of product, plan and operation. */
export function mediated(
  policy: Policy,
  { product, plan, operation }: Programs,
  party: Party,
  headers: readonly Pair[],
  of: 'request' | 'response' = 'request',
): Pair[] {
  const map = new HeaderMap(of, headers);
  const further = [plan?.mediation, operation?.mediation]
    .map((index) => (index === undefined ? undefined : policy.mediation[index]?.[of]))
    .filter((range) => range !== undefined);
  const first = of === 'request' ? product.program : product.responseProgram;
  for (const range of [first, ...further]) {
    for (const step of slice(policy.program, range))
      edit(map, policy, step, { product, party, of });
  }
  return map.pairs();
}

const SET = 1;
const ADD = 2;
const REMOVE = 3;
const APPEND = 4;
const SET_IF_ABSENT = 5;

function edit(
  map: HeaderMap,
  policy: Policy,
  { op, name, parts }: PolicyStep,
  by: { product: PolicyProduct; party: Party; of: 'request' | 'response' },
): void {
  const value = composed(policy, parts, by.product, by.party);
  // What the service says under that name is its own word, and stays.
  if (value === undefined && op !== REMOVE && by.of === 'response') return;
  const there = map.all(name);
  if (op === REMOVE || value === undefined) map.remove(name);
  else if (op === SET) map.replace(name, value);
  else if (op === ADD) map.add(name, value);
  else if (op === APPEND) map.replace(name, [...there, value].join(', '));
  else if (op === SET_IF_ABSENT) {
    if (there.length === 0) map.add(name, value);
  } else if (there.length > 0) {
    map.remove(name);
    map.remove(value);
    for (const each of there) map.add(value, each);
  }
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
