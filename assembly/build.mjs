/**
 * Compiles the filter and guards what comes out: imports, exports, size, and that nothing of a
 * runtime or allocator slipped in. It is the only way a module gets into `build/`; a module that
 * breaks a rule never does.
 *
 * Usage: node assembly/build.mjs [--if-changed] [--check] [TARGET...]   (targets: release, test)
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { checkModule } from './guard.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const TARGETS = ['release', 'test'];

/** What the module depends on: its sources, how it is built and the versions of what builds it. */
function sourceDigest() {
  const digest = createHash('sha256');
  const files = ['asconfig.json', 'package-lock.json'];
  for (const entry of fs.readdirSync(path.join(ROOT, 'assembly'), { recursive: true })) {
    if (/\.(ts|mjs)$/.test(entry)) files.push(path.join('assembly', entry));
  }
  for (const file of files.sort()) {
    digest.update(`${file}\0`).update(fs.readFileSync(path.join(ROOT, file)));
  }
  return digest.digest('hex');
}

function readConfig() {
  return JSON.parse(fs.readFileSync(path.join(ROOT, 'asconfig.json'), 'utf8'));
}

/** Where a target's module, text and stamp stand, relative to the root. */
function outputsOf(config, target) {
  const module = config.targets[target].outFile;
  const base = module.replace(/\.wasm$/, '');
  return {
    module,
    text: config.targets[target].textFile ?? `${base}.wat`,
    stamp: `${base}.sources`,
  };
}

function isCurrent(outputs, digest) {
  try {
    const stamp = fs.readFileSync(path.join(ROOT, outputs.stamp), 'utf8');
    return stamp === digest && fs.existsSync(path.join(ROOT, outputs.module));
  } catch {
    return false;
  }
}

/** What the compiler says of every build of ours; `shrink` takes up what it leaves. */
const NO_NEWS = /^Last converge was suboptimal\.\s*$/;

/** Runs the compiler from the root, where it finds `asconfig.json`. Its messages go to stderr. */
async function compile(args) {
  process.chdir(ROOT);
  // Loaded here, because most runs find the module current and loading takes longer than looking.
  const { default: asc } = await import('assemblyscript/asc');
  const out = { write: (text) => NO_NEWS.test(text) || process.stderr.write(text) };
  const { error } = await asc.main(args, { stdout: out, stderr: out });
  return error === null;
}

/** What the proxies' engines have beyond the first WebAssembly, and the compiler makes use of. */
const FEATURES = ['mutable-globals', 'bulk-memory', 'sign-ext', 'nontrapping-float-to-int'];

/**
 * Lets the optimiser go over a whole module again, for size, until nothing is gained: the compiler
 * runs it with bounds of its own and leaves a fiftieth. The text stays that of the compiler.
 */
function shrink(module) {
  const optimiser = path.join(ROOT, 'node_modules/binaryen/bin/wasm-opt');
  const features = FEATURES.map((name) => `--enable-${name}`);
  const args = [optimiser, module, ...features, '-Oz', '--converge', '-o', module];
  execFileSync(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit'] });
}

/**
 * Compiles one target beside its place and moves it there only if the guard finds nothing, so that
 * readers and other builds never see half a module.
 */
async function build(config, target, digest) {
  const outputs = outputsOf(config, target);
  console.error(`compiling ${outputs.module} ...`);
  const scratch = fs.mkdtempSync(path.join(ROOT, path.dirname(outputs.module), '.build-'));
  try {
    const module = path.join(scratch, 'module.wasm');
    const text = path.join(scratch, 'module.wat');
    const relative = (file) => path.relative(ROOT, file);
    const files = ['--outFile', relative(module), '--textFile', relative(text)];
    if (!(await compile(['--target', target, ...files]))) return false;
    shrink(module);
    const bytes = fs.readFileSync(module);
    const problems = checkModule(bytes, fs.readFileSync(text, 'utf8'), target);
    for (const problem of problems) console.error(`${outputs.module}: ${problem}`);
    if (problems.length > 0) return false;
    fs.renameSync(text, path.join(ROOT, outputs.text));
    fs.renameSync(module, path.join(ROOT, outputs.module));
    fs.writeFileSync(path.join(ROOT, outputs.stamp), digest);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    console.log(`${outputs.module}  ${bytes.length} bytes  sha256 ${sha256}`);
    return true;
  } finally {
    fs.rmSync(scratch, { recursive: true, force: true });
  }
}

const args = process.argv.slice(2);
const wanted = args.filter((arg) => !arg.startsWith('--'));
const unknown = wanted.filter((target) => !TARGETS.includes(target));
if (unknown.length > 0) {
  console.error(`no such target: ${unknown.join(', ')} (there are ${TARGETS.join(', ')})`);
  process.exit(2);
}
if (args.includes('--check'))
  process.exit((await compile(['--target', 'release', '--noEmit'])) ? 0 : 1);

const config = readConfig();
const digest = sourceDigest();
for (const target of wanted.length > 0 ? wanted : TARGETS) {
  if (args.includes('--if-changed') && isCurrent(outputsOf(config, target), digest)) continue;
  fs.mkdirSync(path.join(ROOT, path.dirname(config.targets[target].outFile)), { recursive: true });
  if (!(await build(config, target, digest))) process.exitCode = 1;
}
