/**
 * The way back to an older revision of the resources. It must never give back what was taken away
 * since: a credential that was disabled, removed or has expired, a subscription that was suspended
 * or rejected.
 */
import { keyOf } from '../resources/diff.ts';
import type { HeldSet } from '../resources/held.ts';
import type { CanonicalResource, InputFile } from '../resources/load.ts';
import type { SetChange } from '../resources/merge.ts';
import { resourceYaml } from '../resources/yaml.ts';
import type { AuditEntry } from '../store/audit.ts';

/** What was: the text a resource had, or null when it was not there. */
type Older = Map<string, Omit<CanonicalResource, 'text'> & { text: string | null }>;

/** The change that leads back. `entries` = what happened since, newest first. */
export function rolledBack(stored: HeldSet, entries: readonly AuditEntry[]): SetChange {
  const older: Older = new Map();
  for (const { kind, namespace, name, before } of entries) {
    const named = { kind: kind as CanonicalResource['kind'], namespace, name };
    // Entries come newest first, so that the last one seen says what was at that revision.
    older.set(keyOf(named), { ...named, text: before });
  }
  const files: InputFile[] = [];
  const remove: CanonicalResource[] = [];
  for (const [key, resource] of older) {
    const held = stored.get(resource)?.text;
    if (resource.text === null) {
      if (held !== undefined) remove.push({ ...resource, text: held });
      continue;
    }
    const last = held ?? lastText(entries, key);
    const text = withoutReturn(resource.kind, resource.text, held, last);
    if (text === undefined || text === held) continue;
    const bytes = new TextEncoder().encode(resourceYaml({ kind: resource.kind, text }));
    files.push({ name: key, bytes });
  }
  return { files, remove, prune: false, namespaces: [] };
}

/** The text a resource that is gone had last. */
function lastText(entries: readonly AuditEntry[], key: string): string | undefined {
  return entries.find((each) => keyOf(each) === key)?.before ?? undefined;
}

/** The older text with the state of today where going back would give something back. */
function withoutReturn(
  kind: string,
  text: string,
  held: string | undefined,
  last: string | undefined,
): string | undefined {
  if (kind === 'Credential') return credential(text, held);
  if (kind !== 'Subscription') return text;
  const state = specOf(last).state;
  if (state !== 'suspended' && state !== 'rejected') return text;
  return held === undefined ? undefined : withSpec(text, { state });
}

function credential(text: string, held: string | undefined): string | undefined {
  // Removing a declared credential is how it is revoked.
  if (held === undefined) return undefined;
  const today = specOf(held);
  const then = specOf(text);
  const kept: Record<string, unknown> = {};
  if (today.state === 'disabled') kept.state = 'disabled';
  const end = endOf(today);
  // With a later end an expired one would come back.
  if (end < endOf(then)) kept.notAfter = today.notAfter;
  return withSpec(text, kept);
}

function endOf({ notAfter }: Record<string, unknown>): number {
  return typeof notAfter === 'string' ? Date.parse(notAfter) : Infinity;
}

function specOf(text: string | undefined): Record<string, unknown> {
  return text === undefined ? {} : (JSON.parse(text).spec ?? {});
}

function withSpec(text: string, more: Record<string, unknown>): string {
  const { metadata, spec } = JSON.parse(text);
  return JSON.stringify({ metadata, spec: { ...spec, ...more } });
}
