/**
 * Rows of the SQLite store as the values they stand for. It must never ask for any.
 */
import type { SQLOutputValue } from 'node:sqlite';
import type { RecordKind } from '../compile/output.ts';
import { type CredentialRules, NO_RULES } from '../credential/rules.ts';
import type { CredentialState, StoredResource } from './store.ts';
import type { CredentialFacts, CredentialRow, DirectoryRow, GroupRow } from './tables.ts';

/** A row by the names of its columns. */
export type Row = Record<string, SQLOutputValue>;

/** A resource, of the columns in the order of {@link StoredResource}. */
export function asResource([kind, namespace, name, text]: SQLOutputValue[]): StoredResource {
  return {
    kind: String(kind),
    namespace: String(namespace),
    name: String(name),
    text: String(text),
  };
}

/** A credential, where there is a row. */
export function asCredential(row: Row | undefined): CredentialRow | undefined {
  if (row === undefined) return undefined;
  return {
    ...asFacts(row),
    namespace: String(row.namespace),
    application: String(row.application),
    name: String(row.name),
    origin: row.origin === 'key' ? 'key' : 'resource',
    brand: String(row.brand),
    displayPrefix: String(row.display_prefix),
    createdAtMs: Number(row.created_at_ms),
    revokedAtMs: asTime(row.revoked_at_ms),
  };
}

/** What a credential's record in a directory is made of. */
export function asFacts(row: Row): CredentialFacts {
  return {
    id: Number(row.id),
    applicationId: Number(row.application_id),
    digest: row.digest as Uint8Array,
    state: String(row.state) as CredentialState,
    notBeforeMs: asTime(row.not_before_ms),
    notAfterMs: asTime(row.not_after_ms),
    rules: asRules(row.rules),
  };
}

function asRules(value: SQLOutputValue | undefined): CredentialRules {
  return typeof value === 'string' ? (JSON.parse(value) as CredentialRules) : NO_RULES;
}

function asTime(value: SQLOutputValue | undefined): number | null {
  return value === null || value === undefined ? null : Number(value);
}

/** A proxy group. */
export function asGroup(row: Row): GroupRow {
  return {
    id: Number(row.id),
    name: String(row.name),
    policyRevision: Number(row.policy_revision),
    directoryRevision: Number(row.directory_revision),
    credentials: Number(row.credentials),
    removals: Number(row.removals),
    forgotten: Number(row.forgotten),
  };
}

/** A row of a directory. */
export function asDirectoryRow(row: Row): DirectoryRow {
  return {
    group: Number(row.proxy_group),
    kind: Number(row.kind) as RecordKind,
    id: Number(row.id),
    revision: Number(row.revision),
    present: row.present === 1,
    body: row.body as Uint8Array,
  };
}
