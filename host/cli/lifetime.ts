/**
 * Reads when something ends: a lifetime from now, or a time with its zone. A time without a zone
 * is refused, because two people would read two times.
 */
import { CommandError, Exit } from './outcome.ts';

const UNITS_MS: Record<string, number> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Milliseconds of a lifetime such as `24h`; `option` is named when it is none. */
export function readLifetime(text: string, option: string): number {
  const [, count = '', unit = ''] = /^(\d{1,6})([mhd])$/.exec(text) ?? [];
  const unitMs = UNITS_MS[unit];
  if (unitMs !== undefined) return Number(count) * unitMs;
  throw new CommandError(Exit.usage, `${option} ${JSON.stringify(text)} is no length of time`, [
    'Write one such as 7d, 24h or 30m.',
  ]);
}

/** `90d` or a time with its zone as ISO 8601; `option` is named when it is neither. */
export function readExpiry(text: string, nowMs: number, option = '--expires'): string {
  const [, count = '', unit = ''] = /^(\d{1,6})([mhd])$/.exec(text) ?? [];
  const atMs = unit === '' ? Date.parse(text) : nowMs + Number(count) * (UNITS_MS[unit] ?? 0);
  const hasZone = unit !== '' || /(Z|[+-]\d\d:?\d\d)$/i.test(text);
  if (Number.isFinite(atMs) && hasZone) return new Date(atMs).toISOString();
  throw new CommandError(Exit.usage, `${option} ${JSON.stringify(text)} is no time`, [
    'Write a lifetime such as 90d, 12h or 30m, or a time such as 2027-01-31T12:00:00Z.',
  ]);
}
