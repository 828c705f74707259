/**
 * Tests of the OCI image layout: its structure as Istio's agent reads it, and that the same module
 * gives the same bytes.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import wabt from 'wabt';
import { Exit } from '../../../host/cli/outcome.ts';
import { FORMS, type Layout, layoutOf } from '../../../host/oci/layout.ts';
import { tarOf } from '../../../host/oci/tar.ts';
import { sidegate } from '../cli/command.ts';

/** Any bytes: the layout does not look into a module. */
const module = new Uint8Array(1_000).fill(7);
const hash = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

function blob(layout: Layout, digest: string): Uint8Array {
  const bytes = layout.files.get(`blobs/${digest.replace(':', '/')}`);
  assert.ok(bytes !== undefined, `${digest} is not among the blobs`);
  return bytes;
}

const parse = (bytes: Uint8Array | undefined) => JSON.parse(new TextDecoder().decode(bytes));

// Guarantees that whoever builds a release again gets the digest that manifests are pinned to.
test('the same module, version and form give the same bytes', () => {
  for (const form of FORMS) {
    const parts = { module, version: '1.2.3', form };
    assert.deepEqual([...layoutOf(parts).files], [...layoutOf(parts).files]);
    assert.equal(layoutOf(parts).manifestDigest, layoutOf(parts).manifestDigest);
    const other = layoutOf({ ...parts, module: module.subarray(1) });
    assert.notEqual(other.manifestDigest, layoutOf(parts).manifestDigest);
  }
});

// Guarantees that every blob lies where its digest says and that every descriptor is right.
test('every descriptor names a blob with its size and digest', () => {
  for (const form of FORMS) {
    const layout = layoutOf({ module, version: '1.2.3', form });
    const [entry] = parse(layout.files.get('index.json')).manifests;
    assert.equal(entry.digest, layout.manifestDigest);
    assert.equal(entry.annotations['org.opencontainers.image.ref.name'], '1.2.3');
    const manifest = parse(blob(layout, entry.digest));
    for (const { digest, size } of [entry, manifest.config, ...manifest.layers]) {
      assert.equal(blob(layout, digest).length, size);
      assert.equal(`sha256:${hash(blob(layout, digest))}`, digest);
    }
    assert.deepEqual(parse(layout.files.get('oci-layout')), { imageLayoutVersion: '1.0.0' });
    const text = JSON.stringify(manifest);
    assert.doesNotMatch(text, /created|\d{4}-\d\d-\d\dT/, 'no time stands in the manifest');
  }
});

// Guarantees the form that the agent takes from images: the last layer is a tar.gz with the module.
test('an image has one layer with plugin.wasm, and its configuration names the tar', () => {
  const layout = layoutOf({ module, version: '1.2.3', form: 'image' });
  const manifest = parse(blob(layout, layout.manifestDigest));
  assert.equal(manifest.layers.length, 1);
  const packed = blob(layout, manifest.layers[0].digest);
  assert.deepEqual([...packed.subarray(4, 10)], [0, 0, 0, 0, 2, 255], 'no time, no system');
  const tar = gunzipSync(packed);
  const config = parse(blob(layout, manifest.config.digest));
  assert.deepEqual(config.rootfs.diff_ids, [`sha256:${hash(tar)}`]);
  const listed = execFileSync('tar', ['-tvf', '-'], { input: tar, encoding: 'utf8' });
  assert.match(listed, /^-rw-r--r-- 0\/0 +\d+ 1970-01-01 .* plugin\.wasm\n$/);
  const read = execFileSync('tar', ['-xOf', '-', 'plugin.wasm'], { input: tar });
  assert.equal(hash(read), hash(module));
});

// Guarantees the other form: a one-layer artifact is refused by the agent, with 403 for everyone.
test('an artifact has exactly two layers, configuration and module', () => {
  const layout = layoutOf({ module, version: '1.2.3', form: 'artifact' });
  const { layers } = parse(blob(layout, layout.manifestDigest));
  assert.deepEqual(
    layers.map(({ mediaType }: { mediaType: string }) => mediaType),
    [
      'application/vnd.module.wasm.config.v1+json',
      'application/vnd.module.wasm.content.layer.v1+wasm',
    ],
  );
  assert.equal(hash(blob(layout, layers[1].digest)), hash(module));
});

// Guarantees that a name which tar would cut is refused instead.
test('a file name that does not fit is refused', () => {
  assert.throws(() => tarOf([{ name: 'x'.repeat(101), bytes: module }]), RangeError);
});

/** The smallest module that Envoy would load. */
async function smallModule(): Promise<Uint8Array> {
  const { parseWat } = await wabt();
  const text = `(module (memory (export "memory") 1)
    (func (export "proxy_abi_version_0_2_1"))
    (func (export "_initialize"))
    (func (export "malloc") (param i32) (result i32) (i32.const 0)))`;
  return parseWat('small.wat', text).toBinary({}).buffer;
}

/** Paths, bytes and nothing else of what is below a folder. */
function treeOf(folder: string): [string, string][] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }): [string, string] => {
      const file = path.join(parentPath, name);
      return [path.relative(folder, file), hash(readFileSync(file))];
    })
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

// Guarantees that the verb writes what the library makes, byte for byte, whatever the file's time,
// prints the digest alone on stdout, and leaves alone a folder that is no layout.
test('oci build writes the layout and refuses what is not its own', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'sidegate-oci-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const args = ['oci', 'build', '--module', 'filter.wasm', '--out', 'layout'];
  const none = await sidegate(args, { folder });
  assert.equal(none.exit, Exit.usage);
  writeFileSync(path.join(folder, 'filter.wasm'), 'no module');
  const corrupt = await sidegate(args, { folder });
  assert.equal(corrupt.exit, Exit.problems, corrupt.stderr);
  writeFileSync(path.join(folder, 'filter.wasm'), await smallModule());
  const first = await sidegate(args, { folder });
  assert.equal(first.exit, Exit.done, first.stderr);
  assert.match(first.stdout, /^sha256:[0-9a-f]{64}\n$/);
  const before = treeOf(path.join(folder, 'layout'));
  utimesSync(path.join(folder, 'filter.wasm'), 1, 1);
  const second = await sidegate(args, { folder });
  assert.equal(second.stdout, first.stdout);
  assert.deepEqual(treeOf(path.join(folder, 'layout')), before);
  writeFileSync(path.join(folder, 'layout', 'notes.txt'), 'mine');
  const refused = await sidegate(args, { folder });
  assert.equal(refused.exit, Exit.refused);
  assert.equal(readFileSync(path.join(folder, 'layout', 'notes.txt'), 'utf8'), 'mine');
});
