/**
 * Holds engines and roots to one rule: state belongs to a triple, settings to a root. Guarantees
 * that a change of configuration strands nothing and that memory comes back.
 */
import { readBootstrap } from '../../../assembly/bootstrap/bootstrap';
import { blockBytes, freeBlock, takeBlock } from '../../../assembly/engine/blocks';
import {
  addRoot,
  configureRoot,
  deleteRoot,
  findRoot,
  isLastRoot,
  Root,
  retireRoot,
  rootAt,
} from '../../../assembly/engine/roots';
import {
  CALL_FETCH,
  CALL_SYNC,
  CALL_WATCH,
  callOf,
  Engine,
  engineAt,
  jittered,
  mayServeFill,
  policyPending,
} from '../../../assembly/engine/state';
import { ENGINES_MAX, ROOTS_MAX } from '../../../assembly/limits';
import { Holding, openAccount } from '../../../assembly/quota/holdings';
import { Text } from '../support/bytes';

let random: u64 = 1;

function configured(id: u32, text: string): Root {
  const bytes = new Text(text);
  expect(readBootstrap(bytes.at, bytes.length)).toBe(0, text);
  const root = rootAt(addRoot(id, 5));
  random += 77;
  configureRoot(root, random, random * 3, 5);
  return root;
}

function named(id: u32, authority: string, rest: string = ''): Root {
  return configured(id, '{"clusters":["c"],"authority":"' + authority + '"' + rest + '}');
}

function remove(id: u32): void {
  const at = findRoot(id);
  if (at == 0) return;
  retireRoot(rootAt(at));
  deleteRoot(rootAt(at));
}

describe('blocks', () => {
  test('are zeroed, aligned, powers of two, and come back', () => {
    expect(blockBytes(1)).toBe(4096);
    expect(blockBytes(4097)).toBe(8192);
    expect(blockBytes(1 << 27)).toBe(0);
    expect(takeBlock(1 << 27)).toBe(0);
    const first = takeBlock(20000);
    expect(first & 4095).toBe(0);
    memory.fill(first, 0xff, 20000);
    freeBlock(first, 20000);
    freeBlock(0, 20000);
    const again = takeBlock(32768);
    expect(again).toBe(first);
    for (let i: usize = 0; i < 20000; i++) expect(load<u8>(again + i)).toBe(0);
    freeBlock(again, 32768);
    const halves = takeBlock(16384);
    const other = takeBlock(16384);
    expect(halves).toBe(first);
    expect(other).toBe(first + 16384);
    freeBlock(halves, 16384);
    freeBlock(other, 16384);
  });
});

describe('roots', () => {
  test('of one triple share an engine, others do not', () => {
    const first = named(1, 'x', ',"mode":"shadow"');
    const same = named(2, 'x', ',"holdMs":5');
    const other = named(3, 'y');
    const group = configured(4, '{"clusters":["c"],"authority":"x","proxyGroup":"g"}');
    const clusters = configured(5, '{"clusters":["c","d"],"authority":"x"}');
    expect(same.engine).toBe(first.engine);
    expect(other.engine).not.toBe(first.engine);
    expect(group.engine).not.toBe(first.engine);
    expect(clusters.engine).not.toBe(first.engine);
    expect(first.mode).toBe(1);
    expect(same.mode).toBe(0);
    expect(same.holdMs).toBe(5);
    expect(first.holdMs).toBe(60);
    for (let id: u32 = 1; id <= 5; id++) remove(id);
  });

  test('the newest living one makes the calls; the last one takes the engine along', () => {
    const first = named(1, 'x');
    const engine = engineAt(first.engine);
    expect(engine.newestRoot).toBe(1);
    const incarnation = engine.incarnation;
    const second = named(2, 'x', ',"heartbeatMs":500');
    expect(engine.newestRoot).toBe(2);
    expect(engine.heartbeatMs).toBe(500);
    expect(isLastRoot(first)).toBe(false);
    retireRoot(second);
    expect(engine.newestRoot).toBe(1);
    expect(isLastRoot(first)).toBe(true);
    expect(engine.heartbeatMs).toBe(1000);
    deleteRoot(second);
    expect(engine.incarnation).toBe(incarnation);
    const third = named(3, 'x');
    expect(engineAt(third.engine).incarnation).toBe(incarnation, 'adopted, not new');
    remove(1);
    remove(3);
    const fresh = named(4, 'x');
    expect(engineAt(fresh.engine).incarnation).not.toBe(incarnation);
    remove(4);
  });

  test('take their open calls along, and those alone', () => {
    const first = named(1, 'x');
    named(2, 'x');
    const engine = engineAt(first.engine);
    open(engine, CALL_WATCH, 1);
    open(engine, CALL_SYNC, 1);
    open(engine, CALL_FETCH, 2);
    const slot = openAccount(engine.holdings, 5, 6, 0, 60);
    changetype<Holding>(slot).flight = (CALL_SYNC + 1) as u8;
    remove(1);
    expect(callOf(engine, CALL_WATCH).open).toBe(0);
    expect(callOf(engine, CALL_SYNC).open).toBe(0);
    expect(callOf(engine, CALL_FETCH).open).toBe(1);
    expect(changetype<Holding>(slot).flight).toBe(0, 'it can be asked for again');
    remove(2);
  });

  test('find no engine beyond ENGINES_MAX and no place beyond ROOTS_MAX', () => {
    for (let i: u32 = 1; i <= ENGINES_MAX; i++) {
      expect(named(i, 'engine-' + i.toString()).engine).not.toBe(0);
    }
    const beyond = named(50, 'one-too-many');
    expect(beyond.engine).toBe(0);
    const adopted = named(51, 'engine-3');
    expect(adopted.engine).toBe(rootAt(findRoot(3)).engine);
    for (let i: u32 = 60; i < 60 + ROOTS_MAX; i++) addRoot(i, 1);
    expect(addRoot(9999, 1)).toBe(0);
    for (let i: u32 = 0; i < 200; i++) if (i != 0) remove(i);
    expect(named(1, 'x').engine).not.toBe(0);
    remove(1);
  });

  test('come and go and use the same memory again', () => {
    const first = engineAt(named(1, 'x').engine);
    const at = changetype<usize>(first);
    const tables = [first.directory, first.holdings, first.closing, first.checkState];
    remove(1);
    for (let i = 0; i < 200; i++) {
      const engine = engineAt(named(1, 'x' + i.toString()).engine);
      named(2, 'x' + i.toString());
      const same = changetype<usize>(engine) == at || tables.includes(changetype<usize>(engine));
      expect(same).toBe(true, 'round ' + i.toString());
      remove(1);
      remove(2);
    }
  });
});

function open(engine: Engine, kind: u32, root: u32): void {
  const call = callOf(engine, kind);
  call.open = 1;
  call.root = root;
}

describe('the state of an engine', () => {
  test('says when a policy is pending and when a fill may serve', () => {
    const engine = engineAt(named(1, 'x').engine);
    expect(policyPending(engine)).toBe(true);
    engine.policyFresh = 1;
    engine.policyRevision = 7;
    engine.heardPolicyRevision = 7;
    expect(policyPending(engine)).toBe(false);
    engine.walkBase = 6;
    expect(mayServeFill(engine)).toBe(false, 'records read before may have ended since');
    engine.walkBase = 7;
    expect(mayServeFill(engine)).toBe(true);
    engine.heardPolicyRevision = 8;
    expect(mayServeFill(engine)).toBe(false);
    remove(1);
  });

  test('jitters within its bounds', () => {
    const engine = engineAt(named(1, 'x').engine);
    let least: u32 = 10000;
    let most: u32 = 0;
    for (let i = 0; i < 2000; i++) {
      const ms = jittered(engine, 1000, 50);
      least = min(least, ms);
      most = max(most, ms);
    }
    expect(least >= 500 && least < 550).toBe(true, least.toString());
    expect(most <= 1500 && most > 1450).toBe(true, most.toString());
    remove(1);
  });
});
