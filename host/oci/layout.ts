/**
 * Makes the OCI image layout of a filter module, in the two forms that Istio's agent takes. The
 * same module, version and form give the same bytes: there is no time in them. It must never
 * read or write a file, and never speak to a registry.
 */
import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { tarOf } from './tar.ts';

/** `image`: one tar.gz layer with plugin.wasm. `artifact`: two layers, configuration and module. */
export const FORMS = ['image', 'artifact'] as const;

/** One of {@link FORMS}. */
export type Form = (typeof FORMS)[number];

/** What a layout is made of. */
export interface LayoutParts {
  readonly module: Uint8Array;
  /** Version of Sidegate, in the annotations and as the name of the reference. */
  readonly version: string;
  readonly form: Form;
}

/** A layout: every file of it by its path with forward slashes, in the order of the paths. */
export interface Layout {
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** `sha256:` and 64 hex digits: what WasmPlugin and TrafficExtension are pinned to. */
  readonly manifestDigest: string;
  /** SHA-256 of the module itself, which Istio compares for http:// addresses only. */
  readonly moduleDigest: string;
}

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const INDEX = 'application/vnd.oci.image.index.v1+json';
const IMAGE_CONFIG = 'application/vnd.oci.image.config.v1+json';
const IMAGE_LAYER = 'application/vnd.oci.image.layer.v1.tar+gzip';
const MODULE_CONFIG = 'application/vnd.module.wasm.config.v1+json';
const MODULE_LAYER = 'application/vnd.module.wasm.content.layer.v1+wasm';

/** The one name under which the agent looks for the module in a tar.gz layer. */
const MODULE_FILE = 'plugin.wasm';

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

/** Makes the layout. It has one manifest, and a reference named as the version. */
export function layoutOf({ module, version, form }: LayoutParts): Layout {
  const blobs = new Map<string, Uint8Array>();
  const add = (mediaType: string, bytes: Uint8Array): Descriptor => {
    const digest = digestOf(bytes);
    blobs.set(`blobs/${digest.replace(':', '/')}`, bytes);
    return { mediaType, digest, size: bytes.length };
  };
  const { config, layers } = form === 'image' ? image(module, add) : artifact(module, add);
  const moduleDigest = digestOf(module);
  const annotations = {
    'dev.sidegate.filter.digest': moduleDigest,
    'dev.sidegate.wire-format': '1',
    'org.opencontainers.image.description': 'API keys, exact quotas and header mediation for Envoy',
    'org.opencontainers.image.licenses': 'Apache-2.0',
    'org.opencontainers.image.title': 'sidegate-filter',
    'org.opencontainers.image.version': version,
  };
  const manifest = add(
    MANIFEST,
    json({ schemaVersion: 2, mediaType: MANIFEST, config, layers, annotations }),
  );
  const named = { ...manifest, annotations: { 'org.opencontainers.image.ref.name': version } };
  const files = new Map<string, Uint8Array>([
    ...[...blobs].sort(([a], [b]) => (a < b ? -1 : 1)),
    ['index.json', json({ schemaVersion: 2, mediaType: INDEX, manifests: [named] })],
    ['oci-layout', json({ imageLayoutVersion: '1.0.0' })],
  ]);
  return { files, manifestDigest: manifest.digest, moduleDigest };
}

type Add = (mediaType: string, bytes: Uint8Array) => Descriptor;
type Content = { readonly config: Descriptor; readonly layers: readonly Descriptor[] };

function image(module: Uint8Array, add: Add): Content {
  const tar = tarOf([{ name: MODULE_FILE, bytes: module }]);
  const layer = add(IMAGE_LAYER, gzip(tar));
  const rootfs = { type: 'layers', diff_ids: [digestOf(tar)] };
  const config = add(
    IMAGE_CONFIG,
    json({ architecture: 'wasm', os: 'wasi', config: {}, rootfs, history: [] }),
  );
  return { config, layers: [layer] };
}

function artifact(module: Uint8Array, add: Add): Content {
  const config = add(MODULE_CONFIG, json({}));
  // The agent refuses an artifact with another number of layers than two.
  return { config, layers: [config, add(MODULE_LAYER, module)] };
}

/** The header's byte for the system that compressed; 255 says that it does not matter. */
const GZIP_SYSTEM_BYTE = 9;

function gzip(bytes: Uint8Array): Uint8Array {
  const packed = gzipSync(bytes, { level: 9, memLevel: 9 });
  packed[GZIP_SYSTEM_BYTE] = 255;
  return packed;
}

function json(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}

function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
