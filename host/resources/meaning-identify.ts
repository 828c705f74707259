/**
 * Checks how a product knows its callers: what stands twice, what could never be asked, what Istio
 * makes impossible. Each finding is a problem at its place.
 */
import type { Facts } from './errors.ts';
import type { Identity, KeySource, Product } from './model.ts';
import type { Problem } from './problem.ts';

/** Problems of the certificates and tokens that a product knows callers by. */
export function checkIdentify({ origin, sources, identities }: Product): Problem[] {
  if (origin === undefined) return [];
  const say = (code: 'SG1303' | 'SG1407' | 'SG1408', facts: Facts, index: number) =>
    origin.problem(code, facts, ['spec', 'identify', index]);
  const first = new Map<string, number>();
  const problems = identities.flatMap((identity) => {
    const name = nameOf(identity);
    const other = first.get(name);
    if (other === undefined) first.set(name, identity.index);
    const where = origin.where(['spec', 'identify', other ?? 0]);
    const facts = { what: 'caller identity', name, where };
    return other === undefined ? [] : [say('SG1303', facts, identity.index)];
  });
  const [before] = identities;
  const late = sources.find(({ index }) => before !== undefined && index > before.index);
  if (before !== undefined && late !== undefined) {
    problems.push(say('SG1407', { other: before.by }, late.index));
  }
  const bearer = sources.find(isBearer);
  if (bearer !== undefined && identities.some(({ by }) => by === 'jwt')) {
    problems.push(say('SG1408', {}, bearer.index));
  }
  return problems;
}

function nameOf(identity: Identity): string {
  return identity.by === 'mtls' ? 'mtls' : `jwt ${identity.issuer} ${identity.claim}`;
}

/** Whether RequestAuthentication would take the key for a token of its own. */
function isBearer({ place, name, prefix }: KeySource): boolean {
  return place === 'header' && name === 'authorization' && /^bearer\s*$/i.test(prefix);
}
