/**
 * The root contexts of a VM and the engines they point to. A configuration change makes a new root
 * beside the old one; the new one adopts the engine of the same triple, so that nothing is
 * stranded and nothing refilled. It never decides about a request.
 */
import {
  bootstrap,
  bootstrapHops,
  bootstrapNames,
  IDENTITY_BYTES,
  Settings,
} from '../bootstrap/bootstrap';
import { DIRECTORY_BYTES, directoryFree, directoryInit } from '../directory/directory';
import { ENGINES_MAX, HOLDINGS_MIN, HOP_PRINCIPALS_MAX, ROOTS_MAX } from '../limits';
import { STASH_BLOCK } from '../pipeline/stash';
import { CHECK_STATE_BYTES } from '../policy/check';
import { freeHoldings, newHoldings } from '../quota/holdings';
import { clearFlights } from '../quota/lease';
import { freeUsage, newUsage } from '../usage/table';
import { DIGEST_BYTES } from '../util/sha256';
import { freeBlock, takeBlock } from './blocks';
import {
  CALL_KINDS,
  CALL_SYNC,
  CALL_URGENT,
  CLOSING_BLOCK,
  callOf,
  ENGINE_BLOCK,
  Engine,
  engineAt,
  engineNames,
  LEAVING_NOT,
} from './state';

/** One root context. */
@unmanaged
export class Root extends Settings {
  id: u32;
  living: u32;
  engine: usize;
  order: u32;
  tickMs: u32;
  createdMs: u64;
}

const ROOT_BYTES: u32 = 64;
function roots(): usize {
  return memory.data(ROOTS_MAX * ROOT_BYTES, 8);
}
/** Digests of the principals that each root takes hop tokens from. */
const HOPS_BYTES: u32 = HOP_PRINCIPALS_MAX * DIGEST_BYTES;
function hops(): usize {
  return memory.data(ROOTS_MAX * HOPS_BYTES, 8);
}
const ENGINES: usize = memory.data(ENGINES_MAX * 4, 8);
let order: u32 = 0;

/** Slots ever used: a VM has one or two roots, and every request looks for its own. */
let slots: u32 = 0;

/** The root with this context id, or 0. */
export function findRoot(id: u32): usize {
  for (let i: u32 = 0; i < slots; i++) {
    const at = roots() + i * ROOT_BYTES;
    if (rootAt(at).id == id) return at;
  }
  return 0;
}

/** The root at an address. */
export function rootAt(at: usize): Root {
  return changetype<Root>(at);
}

/** Where the digests of a root's hop principals stand. */
export function hopsOf(root: Root): usize {
  return hops() + ((changetype<usize>(root) - roots()) / ROOT_BYTES) * HOPS_BYTES;
}

/** The root with this context id, new if need be; 0 when `ROOTS_MAX` are there. */
export function addRoot(id: u32, nowMs: u64): usize {
  const known = findRoot(id);
  if (known != 0) return known;
  let at = findRoot(0);
  if (at == 0) {
    if (slots >= ROOTS_MAX) return 0;
    at = roots() + slots * ROOT_BYTES;
    slots++;
  }
  memory.fill(at, 0, ROOT_BYTES);
  const root = rootAt(at);
  root.id = id;
  root.order = ++order;
  root.createdMs = nowMs;
  return at;
}

/**
 * Gives a root the settings read last and an engine: the one of the same triple, else a new one.
 * `random` are 64 random bits for a new engine. Without room for one the root has none, and its
 * requests find no policy.
 */
export function configureRoot(root: Root, random0: u64, random1: u64, nowMs: u64): void {
  const read = bootstrap();
  memory.copy(changetype<usize>(root), changetype<usize>(read), offsetof<Settings>());
  memory.copy(hopsOf(root), bootstrapHops(), HOPS_BYTES);
  root.living = 1;
  let at = engineWithNames(read.clusters);
  if (at == 0) at = newEngine(read.clusters, random0, random1, nowMs);
  if (at == root.engine) {
    if (at != 0) chooseNewest(engineAt(at));
    return;
  }
  detach(root);
  root.engine = at;
  if (at == 0) return;
  engineAt(at).roots++;
  chooseNewest(engineAt(at));
}

function engineWithNames(clusters: u32): usize {
  for (let i: u32 = 0; i < ENGINES_MAX; i++) {
    const at = load<u32>(ENGINES + i * 4) as usize;
    if (at == 0 || engineAt(at).clusters != clusters) continue;
    if (memory.compare(engineNames(engineAt(at)), bootstrapNames(), IDENTITY_BYTES) == 0) return at;
  }
  return 0;
}

function newEngine(clusters: u32, random0: u64, random1: u64, nowMs: u64): usize {
  for (let i: u32 = 0; i < ENGINES_MAX; i++) {
    const slot = ENGINES + i * 4;
    if (load<u32>(slot) != 0) continue;
    const at = takeBlock(ENGINE_BLOCK);
    if (at == 0) return 0;
    const engine = engineAt(at);
    engine.closing = takeBlock(CLOSING_BLOCK);
    engine.stash = takeBlock(STASH_BLOCK);
    engine.directory = takeBlock(DIRECTORY_BYTES);
    engine.checkState = takeBlock(CHECK_STATE_BYTES);
    engine.holdings = newHoldings(HOLDINGS_MIN, random1, ~random0);
    engine.usage = newUsage();
    const whole = engine.closing != 0 && engine.directory != 0 && engine.checkState != 0;
    if (!whole || engine.stash == 0 || engine.holdings == 0 || engine.usage == 0) {
      releaseBlocks(engine);
      return 0;
    }
    engine.inUse = 1;
    engine.clusters = clusters;
    engine.incarnation = random0 == 0 ? 1 : random0;
    engine.random = random1 | 1;
    engine.startedMs = nowMs;
    memory.copy(engineNames(engine), bootstrapNames(), IDENTITY_BYTES);
    directoryInit(engine.directory, ~random1, random0);
    store<u32>(slot, at as u32);
    return at;
  }
  return 0;
}

function releaseBlocks(engine: Engine): void {
  freeBlock(engine.closing, CLOSING_BLOCK);
  freeBlock(engine.stash, STASH_BLOCK);
  freeBlock(engine.directory, DIRECTORY_BYTES);
  freeBlock(engine.checkState, CHECK_STATE_BYTES);
  freeHoldings(engine.holdings);
  freeUsage(engine.usage);
  freeBlock(engine.policy, engine.policyBlock);
  freeBlock(engine.back, engine.backBlock);
  freeBlock(changetype<usize>(engine), ENGINE_BLOCK);
}

/** The engine's settings follow its newest living root, which makes its calls. */
export function chooseNewest(engine: Engine): void {
  let newest: usize = 0;
  for (let i: u32 = 0; i < slots; i++) {
    const at = roots() + i * ROOT_BYTES;
    const root = rootAt(at);
    if (root.id == 0 || root.living == 0 || root.engine != changetype<usize>(engine)) continue;
    if (newest == 0 || root.order > rootAt(newest).order) newest = at;
  }
  engine.newestRoot = newest == 0 ? 0 : rootAt(newest).id;
  if (newest != 0) {
    engine.heartbeatMs = rootAt(newest).heartbeatMs;
    engine.leaving = LEAVING_NOT;
  }
}

/** True when no root but this one lives on its engine. */
export function isLastRoot(root: Root): bool {
  for (let i: u32 = 0; i < slots; i++) {
    const other = rootAt(roots() + i * ROOT_BYTES);
    if (other.id != 0 && other.id != root.id && other.living != 0 && other.engine == root.engine) {
      return false;
    }
  }
  return true;
}

/**
 * A root is done: it makes no further calls. What it had open goes on until it is deleted.
 */
export function retireRoot(root: Root): void {
  root.living = 0;
  if (root.engine != 0) chooseNewest(engineAt(root.engine));
}

/** A root is gone: its open calls died with it, and the last one takes its engine along. */
export function deleteRoot(root: Root): void {
  detach(root);
  memory.fill(changetype<usize>(root), 0, ROOT_BYTES);
}

function detach(root: Root): void {
  if (root.engine == 0) return;
  const at = root.engine;
  const engine = engineAt(at);
  root.engine = 0;
  engine.roots--;
  if (engine.roots == 0) {
    freeEngine(at);
    return;
  }
  for (let kind: u32 = 0; kind < CALL_KINDS; kind++) {
    const call = callOf(engine, kind);
    if (call.open != 0 && call.root == root.id) {
      call.open = 0;
      call.notBeforeMs = 0;
      if (kind == CALL_SYNC || kind == CALL_URGENT) clearFlights(engine, kind);
    }
  }
  chooseNewest(engine);
}

function freeEngine(at: usize): void {
  for (let i: u32 = 0; i < ENGINES_MAX; i++) {
    if (load<u32>(ENGINES + i * 4) == (at as u32)) store<u32>(ENGINES + i * 4, 0);
  }
  directoryFree(engineAt(at).directory);
  releaseBlocks(engineAt(at));
}
