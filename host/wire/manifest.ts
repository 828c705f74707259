/**
 * The manifest of a policy and its pages (docs/wire.md, section 3). It cuts a policy into pages
 * and names them by digest; it must never look into a policy.
 */
import { createHash } from 'node:crypto';
import { ByteWriter, writeMessage } from './bytes.ts';
import { HOST_SECTION, type HostSection, hostSection, PAGE_BYTES, readHost } from './host.ts';
import { type ByteReader, type Decoded, readMessage, readSection, refuse } from './reader.ts';

/** Most bytes of a policy; validation refuses what would compile to more. */
export const POLICY_BYTES_MAX = 4_194_304;

const MAGIC = 'SGPM';
const MANIFEST_SECTION = 2;
const DIGEST_BYTES = 32;
const PAGES_MAX = POLICY_BYTES_MAX / PAGE_BYTES;

/** A policy cut into pages. Digests are SHA-256. */
export interface PagedPolicy {
  /** Bytes of the whole policy. */
  readonly length: number;
  /** Digest of all page digests in order. */
  readonly digest: Uint8Array;
  readonly pageDigests: readonly Uint8Array[];
  /** Views of the policy's bytes. */
  readonly pages: readonly Uint8Array[];
}

/** What `GET /v1/policy/{group}` answers. */
export interface Manifest {
  readonly host: HostSection;
  /** Revision at which the policy's bytes last changed. */
  readonly policyRevision: number;
  readonly length: number;
  readonly pageBytes: number;
  readonly digest: Uint8Array;
  readonly pageDigests: readonly Uint8Array[];
}

/** Cuts a policy of 1 … POLICY_BYTES_MAX bytes into pages and names them. */
export function pagePolicy(policy: Uint8Array): PagedPolicy {
  if (policy.length === 0 || policy.length > POLICY_BYTES_MAX) {
    throw new RangeError(`a policy of ${policy.length} bytes`);
  }
  const pages: Uint8Array[] = [];
  for (let at = 0; at < policy.length; at += PAGE_BYTES) {
    pages.push(policy.subarray(at, at + PAGE_BYTES));
  }
  const pageDigests = pages.map((page) => digestOf(page));
  return { length: policy.length, digest: digestOf(...pageDigests), pageDigests, pages };
}

/** SHA-256 of the parts in order. */
export function digestOf(...parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return new Uint8Array(hash.digest());
}

/** The manifest's bytes. */
export function encodeManifest(manifest: Manifest): Uint8Array {
  const body = new ByteWriter(64 + manifest.pageDigests.length * DIGEST_BYTES)
    .u64(manifest.policyRevision)
    .u32(manifest.length)
    .u32(manifest.pageBytes)
    .u32(manifest.pageDigests.length)
    .u32(0)
    .bytes(manifest.digest);
  for (const digest of manifest.pageDigests) body.bytes(digest);
  return writeMessage(MAGIC, [
    hostSection(manifest.host),
    { kind: MANIFEST_SECTION, body: body.finish() },
  ]);
}

/** Reads a manifest whose numbers agree with each other and whose digest is that of its pages. */
export function decodeManifest(bytes: Uint8Array): Decoded<Manifest> {
  const sections = readMessage(bytes, MAGIC, [HOST_SECTION, MANIFEST_SECTION]);
  if (!sections.ok) return sections;
  const host = readSection(sections.value, HOST_SECTION, readHost);
  if (!host.ok) return host;
  const body = readSection(sections.value, MANIFEST_SECTION, readBody);
  if (!body.ok) return body;
  const { length, pageBytes, digest, pageDigests } = body.value;
  const pages = Math.ceil(length / PAGE_BYTES);
  if (pageBytes !== PAGE_BYTES || length === 0 || pages !== pageDigests.length) {
    return refuse('wrong_value', 'pages');
  }
  if (!Buffer.from(digestOf(...pageDigests)).equals(digest)) return refuse('wrong_value', 'digest');
  return { ok: true, value: { host: host.value, ...body.value } };
}

function readBody(reader: ByteReader): Omit<Manifest, 'host'> {
  const policyRevision = reader.safe();
  const length = reader.u32();
  const pageBytes = reader.u32();
  const pages = reader.u32();
  reader.skip(4);
  const digest = reader.bytes(DIGEST_BYTES);
  if (length > POLICY_BYTES_MAX || pages > PAGES_MAX) reader.fail('wrong_value');
  const pageDigests: Uint8Array[] = [];
  for (let page = 0; page < pages && reader.code === undefined; page += 1) {
    pageDigests.push(reader.bytes(DIGEST_BYTES));
  }
  return { policyRevision, length, pageBytes, digest, pageDigests };
}
