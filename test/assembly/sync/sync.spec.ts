/**
 * Holds reports, answers and the schedule of calls to docs/wire.md, sections 1, 5, 6 and 7.
 * Guarantees that no answer, however late, doubled or damaged, makes a unit or takes a state back.
 */
import {
  CALL_FETCH,
  CALL_SYNC,
  CALL_URGENT,
  CALL_WATCH,
  callOf,
  Engine,
  FETCH_DIRECTORY,
  FETCH_MANIFEST,
} from '../../../assembly/engine/state';
import { findHolding, Holding, markCold, openAccount } from '../../../assembly/quota/holdings';
import { askHolding, balanceOf, endWindow, QUOTA_OK, spend } from '../../../assembly/quota/lease';
import { takeSync } from '../../../assembly/sync/reply';
import { hasReport, writeReport } from '../../../assembly/sync/report';
import {
  callByToken,
  callMade,
  callRefused,
  dueCall,
  NO_CALL,
  takeAnswer,
} from '../../../assembly/sync/schedule';
import { takeWatch, writeWatch } from '../../../assembly/sync/watch';
import { messageBytes } from '../../../assembly/sync/write';
import { below, next, room, seed } from '../support/bytes';
import { newTestEngine } from '../support/engine';
import { message, seal, section, table, Writer } from '../support/writer';

const KIND: u32 = 60;
let epoch: u64 = 1;
let storeId: u64 = 0xaaaa;

function host(revision: u64 = 9): Writer {
  const body = new Writer().u64(storeId).u64(1).u64(epoch).u64(revision).u64(1700000000000);
  const sections = new Writer();
  section(sections, 1, body);
  return sections;
}

/** What an item of an answer says; the rest stays 0. */
class Item {
  owner: u64 = 1;
  generation: u32 = 1;
  windowId: u64 = 5;
  granted: u64 = 0;
  remaining: u64 = 50;
  leftMs: u32 = 100000;
  startsInMs: u32 = 0;
  useByMs: u32 = 60000;
  denyForMs: u32 = 0;
  status: u32 = 0;

  write(to: Writer): void {
    to.u64(this.owner).u64(1).u64(0).u32(KIND).u32(this.generation).u64(this.windowId);
    to.u64(this.granted).u64(this.remaining).u64(1000).u32(this.leftMs).u32(this.startsInMs);
    to.u32(this.useByMs).u32(this.denyForMs).u8(this.status).u8(1).zero(14);
  }
}

function answer(engine: Engine, items: Item[], sequence: u32): Writer {
  const records = new Writer();
  for (let i = 0; i < items.length; i++) items[i].write(records);
  const sections = host();
  section(sections, 2, new Writer().u32(sequence).u32(1000).u64(0).u64(0));
  section(sections, 3, table(96, records));
  return message('SGSR', sections);
}

/** Lets the engine take an answer to the call it sent at `sentMs`. */
function take(engine: Engine, item: Item, nowMs: u64, kind: u32 = CALL_SYNC): bool {
  const whole = answer(engine, [item], callOf(engine, kind).sequence);
  return takeSync(engine, kind, whole.place(), whole.length, nowMs);
}

/** Writes and "sends" a call; answers its items. */
function sent(engine: Engine, kind: u32, nowMs: u64): u32 {
  writeReport(engine, kind, nowMs);
  callMade(engine, kind, 7, 1, nowMs);
  return load<u32>(itemAt(0) - 4);
}

function itemAt(index: u32): usize {
  return messageBytes() + 16 + 8 + 72 + 8 + 8 + index * 80;
}

/** An engine with one account whose first units were asked for at 1,000 ms. */
function asking(owner: u64 = 1): Engine {
  const engine = newTestEngine();
  const slot = openAccount(engine.holdings, owner, 1, 0, KIND);
  const holding = changetype<Holding>(slot);
  holding.waiting = 3;
  holding.need = 3;
  markCold(engine.holdings, slot);
  expect(sent(engine, CALL_URGENT, 1000)).toBe(1);
  return engine;
}

function account(engine: Engine, owner: u64 = 1): Holding {
  return changetype<Holding>(findHolding(engine.holdings, owner, 1, 0, KIND));
}

/** As `asking`, and 20 units were granted until 100,900 ms. */
function granted(): Engine {
  const engine = asking();
  const item = new Item();
  item.generation = account(engine).generation;
  item.granted = 20;
  expect(take(engine, item, 1010, CALL_URGENT)).toBe(true);
  callOf(engine, CALL_URGENT).open = 0;
  return engine;
}

describe('a report', () => {
  test('says what docs/wire.md says it does', () => {
    const engine = asking();
    const at = messageBytes();
    expect(load<u32>(at)).toBe(0x51534753);
    expect(load<u32>(at + 24 + 52)).toBe(engine.sequence);
    expect(load<u32>(at + 24 + 56)).toBe(1, 'urgent');
    const item = itemAt(0);
    expect(load<u64>(item)).toBe(1);
    expect(load<u32>(item, 24)).toBe(KIND);
    expect(load<u32>(item, 28)).toBe(account(engine).generation);
    expect(load<u64>(item, 32)).toBe(0, 'the window now');
    expect(load<u32>(item, 64)).toBe(3, 'want');
    expect(load<u32>(item, 68)).toBe(3, 'need');
    expect(load<u8>(item, 72)).toBe(1, 'exact');
  });

  test('carries cumulative counters, and nothing once they are known', () => {
    const engine = granted();
    const holding = account(engine);
    expect(balanceOf(holding)).toBe(20);
    spend(engine, holding, 8);
    expect(hasReport(engine, 2000)).toBe(true);
    expect(sent(engine, CALL_SYNC, 2000)).toBe(1);
    expect(load<u64>(itemAt(0), 40)).toBe(8);
    expect(load<u64>(itemAt(0), 56)).toBe(20);
    expect(hasReport(engine, 2000)).toBe(false, 'it is on its way');
    spend(engine, holding, 1);
    const item = new Item();
    item.generation = holding.generation;
    item.granted = 20;
    expect(take(engine, item, 2010)).toBe(true);
    expect(holding.ackUsed).toBe(8, 'what was sent, not what is now');
    expect(hasReport(engine, 2020)).toBe(true);
    sent(engine, CALL_SYNC, 3000);
    take(engine, item, 3010);
    expect(hasReport(engine, 3020)).toBe(false);
    expect(hasReport(engine, 13001)).toBe(true, 'a holder of units speaks up');
  });

  test('keeps an ended holding until the host knows its last word', () => {
    const engine = granted();
    const holding = account(engine);
    const generation = holding.generation;
    spend(engine, holding, 5);
    endWindow(engine, holding, 200000);
    expect(sent(engine, CALL_SYNC, 200000)).toBe(1);
    expect(load<u32>(itemAt(0), 28)).toBe(generation);
    expect(load<u64>(itemAt(0), 40)).toBe(5);
    expect(load<u64>(itemAt(0), 48)).toBe(15);
    const item = new Item();
    item.generation = generation;
    item.status = 4;
    take(engine, item, 200010);
    expect(engine.closingCount).toBe(1, 'the ledger did not answer');
    sent(engine, CALL_SYNC, 201000);
    item.status = 2;
    take(engine, item, 201010);
    expect(engine.closingCount).toBe(0);
  });
});

describe('an answer', () => {
  test('ends the window from the time of sending, less one in a thousand', () => {
    const engine = granted();
    expect(account(engine).endMs).toBe(1000 + 100000 - 100);
    expect(askHolding(engine, account(engine), 1, 100899)).toBe(QUOTA_OK);
    expect(askHolding(engine, account(engine), 1, 100900)).not.toBe(QUOTA_OK);
  });

  test('that is older takes nothing back, that is doubled gives nothing twice', () => {
    const engine = granted();
    const holding = account(engine);
    const item = new Item();
    item.generation = holding.generation;
    item.granted = 50;
    take(engine, item, 1500);
    take(engine, item, 1600);
    expect(holding.granted).toBe(50);
    item.granted = 20;
    item.leftMs = 10;
    take(engine, item, 1700);
    expect(holding.granted).toBe(50);
    expect(holding.endMs).toBe(100900);
  });

  test('for a generation or window that is not held is ignored', () => {
    const engine = granted();
    const holding = account(engine);
    const item = new Item();
    item.granted = 500;
    item.generation = holding.generation + 1;
    take(engine, item, 1500);
    item.generation = holding.generation;
    item.windowId = 6;
    take(engine, item, 1500);
    item.owner = 2;
    take(engine, item, 1500);
    expect(holding.granted).toBe(20);
    expect(holding.windowId).toBe(5);
  });

  test('of an older epoch is ignored, of another store drops what is held unspent', () => {
    const engine = granted();
    const item = new Item();
    item.generation = account(engine).generation;
    item.granted = 90;
    epoch = 0;
    expect(take(engine, item, 1500)).toBe(false);
    expect(account(engine).granted).toBe(20);
    epoch = 1;
    storeId = 0xbbbb;
    callOf(engine, CALL_SYNC).sentMs = 5000;
    expect(take(engine, item, 5001)).toBe(true);
    expect(balanceOf(account(engine))).toBe(0);
    expect(account(engine).generation).toBe(0);
    expect(engine.fillDue).toBe(1);
    storeId = 0xaaaa;
    callOf(engine, CALL_SYNC).sentMs = 4000;
    expect(take(engine, item, 5002)).toBe(false, 'sent before the store changed');
  });

  test('can end, refuse and put off', () => {
    let engine = granted();
    const item = new Item();
    item.generation = account(engine).generation;
    item.status = 1;
    item.granted = 20;
    item.denyForMs = 2000;
    item.remaining = 0;
    take(engine, item, 1500);
    expect(askHolding(engine, account(engine), 20, 1600)).toBe(QUOTA_OK, 'units in hand first');
    spend(engine, account(engine), 20);
    expect(askHolding(engine, account(engine), 1, 3499)).toBe(1, 'exhausted');
    expect(askHolding(engine, account(engine), 1, 3500)).toBe(2, 'cold');
    item.status = 4;
    take(engine, item, 4000);
    expect(askHolding(engine, account(engine), 1, 4001)).toBe(3, 'unavailable');
    engine = granted();
    item.generation = account(engine).generation;
    item.status = 3;
    take(engine, item, 1500);
    expect(balanceOf(account(engine))).toBe(0);
    expect(account(engine).generation).toBe(0);
    engine = granted();
    item.generation = account(engine).generation;
    item.status = 2;
    take(engine, item, 1500);
    expect(balanceOf(account(engine))).toBe(0);
    expect(engine.closingCount).toBe(0, 'dropped without a word');
  });

  test('brings the use-by nearer unless it brings units', () => {
    const engine = granted();
    const holding = account(engine);
    expect(holding.useByMs).toBe(61010);
    const item = new Item();
    item.generation = holding.generation;
    item.granted = 20;
    item.useByMs = 500;
    take(engine, item, 2000);
    expect(holding.useByMs).toBe(2500);
    item.useByMs = 60000;
    take(engine, item, 2100);
    expect(holding.useByMs).toBe(2500);
    item.granted = 21;
    take(engine, item, 2200);
    expect(holding.useByMs).toBe(62200);
  });

  test('grants the next window from its receipt on, and never early', () => {
    const engine = granted();
    const holding = account(engine);
    holding.rate = 10;
    engine.intervalMs = 1000;
    expect(sent(engine, CALL_SYNC, 99500)).toBe(2);
    const ahead = itemAt(1);
    expect(load<u8>(ahead, 73)).toBe(1);
    const item = new Item();
    item.generation = load<u32>(ahead, 28);
    item.windowId = 6;
    item.granted = 30;
    item.leftMs = 61500;
    item.startsInMs = 1500;
    take(engine, item, 99520);
    expect(holding.nextStartMs).toBe(99520 + 1500);
    expect(holding.nextEndMs).toBe(99500 + 61500 - 62);
    expect(holding.nextGranted).toBe(30);
    expect(balanceOf(holding)).toBe(20, 'not mixed with the window now');
  });

  test('of any bytes under a right checksum does no harm', () => {
    const engine = granted();
    const watch = new Writer().add(host());
    section(watch, 2, new Writer().u64(1).u32(0).u32(0));
    const whole = message('SGWR', watch);
    const sync = answer(engine, [new Item(), new Item()], 1);
    const at = room(400);
    for (let round = 0; round < 4000; round++) {
      seed(round);
      const source = below(2) == 0 ? whole : sync;
      for (let i = 0; i < source.bytes.length; i++) store<u8>(at + i, source.bytes[i]);
      const changes = below(6);
      for (let i: u32 = 0; i < changes; i++) store<u8>(at + 16 + below(120), next() as u8);
      const length = below(8) == 0 ? below(source.length) : source.length;
      if (below(3) != 0) store<u32>(at, length, 8);
      seal(at, length);
      takeWatch(engine, at, length, 5000);
      takeSync(engine, CALL_SYNC, at, length, 5000);
      expect(balanceOf(account(engine)) <= account(engine).granted).toBe(true);
    }
  });
});

describe('the schedule', () => {
  test('asks for the policy first, makes each kind of call once, and backs off', () => {
    const engine = newTestEngine(0);
    expect(dueCall(engine, 10)).toBe(CALL_FETCH);
    expect(callOf(engine, CALL_FETCH).what).toBe(FETCH_MANIFEST);
    callMade(engine, CALL_FETCH, 55, 1, 10);
    expect(dueCall(engine, 11)).toBe(NO_CALL);
    expect(callByToken(engine, 55)).toBe(CALL_FETCH);
    expect(callByToken(engine, 56)).toBe(NO_CALL);
    takeAnswer(engine, CALL_FETCH, 503, 0, 0, 20);
    expect(engine.cluster).toBe(1, 'the next host');
    expect(engine.policyNotBeforeMs >= 120 && engine.policyNotBeforeMs <= 320).toBe(true);
    expect(dueCall(engine, 21)).toBe(CALL_WATCH, 'the watch goes on its own');
    callRefused(engine, CALL_WATCH, 21);
    expect(engine.cluster).toBe(0);
    let delay: u64 = 0;
    for (let i = 0; i < 12; i++) {
      callRefused(engine, CALL_WATCH, 1000);
      delay = callOf(engine, CALL_WATCH).notBeforeMs - 1000;
    }
    expect(delay >= 5000 && delay <= 15000).toBe(true, delay.toString());
  });

  test('walks the directory once the policy is there', () => {
    const engine = newTestEngine(0);
    engine.hasStore = 1;
    engine.policyFresh = 1;
    engine.fillDue = 1;
    expect(dueCall(engine, 10)).toBe(CALL_FETCH);
    expect(callOf(engine, CALL_FETCH).what).toBe(FETCH_DIRECTORY);
  });
});

describe('the watch', () => {
  test('says what is held', () => {
    const engine = newTestEngine(0);
    engine.policyRevision = 4;
    engine.directoryRevision = 6;
    engine.complete = 1;
    const length = writeWatch(engine, 10);
    const at = messageBytes();
    expect(load<u32>(at)).toBe(0x51574753);
    expect(load<u32>(at, 8)).toBe(length);
    expect(load<u64>(at + 24)).toBe(engine.incarnation);
    expect(load<u64>(at + 24 + 24)).toBe(4);
    expect(load<u64>(at + 24 + 32)).toBe(6);
    expect(load<u32>(at + 24 + 40)).toBe(1, 'complete, not filling');
  });
});
