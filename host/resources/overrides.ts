/**
 * The plan of a subscription with its overrides: the limits they name have another quota, burst or
 * mode, the rest is the plan's. It must never change what an account is: name, class and window of
 * a limit stay.
 */
import { createHash } from 'node:crypto';
import type { Limit, Override, Plan } from './model.ts';

/** Hexadecimal digits that tell overrides of one plan apart: 64 bits for some thousand of them. */
const VARIANT_DIGITS = 16;

/** A plan as overrides change it; the plan itself where there are none. */
export function overridden(plan: Plan, overrides: readonly Override[]): Plan {
  if (overrides.length === 0) return plan;
  const byLimit = new Map(overrides.map((each) => [each.limit, each]));
  const limits = plan.limits.map((limit) => overriddenLimit(limit, byLimit.get(limit.name)));
  return { ...plan, limits, variant: variantOf(overrides) };
}

/** A limit as an override changes it. A burst that goes with the quota goes on doing so. */
export function overriddenLimit(limit: Limit, override: Override | undefined): Limit {
  if (override === undefined) return limit;
  const { quota = limit.quota, mode = limit.mode } = override;
  const usual = limit.burst === limit.quota ? quota : Math.min(limit.burst, quota);
  return { ...limit, quota, mode, burst: override.burst ?? usual };
}

/** A name for what overrides say, in whatever order: equal ones of a plan make one variant. */
export function variantOf(overrides: readonly Override[]): string {
  const said = overrides
    .map(({ limit, quota, burst, mode }) => [limit, quota ?? null, burst ?? null, mode ?? null])
    .sort(([a], [b]) => (String(a) < String(b) ? -1 : 1));
  const digest = createHash('sha256').update(JSON.stringify(said)).digest('hex');
  return digest.slice(0, VARIANT_DIGITS);
}
