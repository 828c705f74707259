/**
 * Compares the directory with a plain model under random changes, and fills it to its size.
 * Guarantees that growing, removing and sweeping in slices never lose or invent an entry.
 */

import {
  applicationCount,
  beginGeneration,
  credentialCount,
  DIRECTORY_BYTES,
  directoryFree,
  directoryInit,
  directoryTick,
  endGeneration,
  findCredential,
} from '../../../assembly/directory/directory';
import { Credential } from '../../../assembly/directory/entry';
import { memoryBytes } from '../../../assembly/engine/blocks';
import { APPLICATIONS_MAX } from '../../../assembly/limits';
import { brokenTotal } from '../../../assembly/util/check';
import { below, room, seed } from '../support/bytes';
import { digestAt, Records } from '../support/records';

const DIGEST: usize = room(32);
const IDS: u32 = 60;
const KEYS: u32 = 25;

/** One generation as plain arrays: per id its revision (0 absent), key and application. */
class Model {
  revisions: u64[] = new Array<u64>(IDS).fill(0);
  keys: u32[] = new Array<u32>(IDS).fill(0);
  applications: u64[] = new Array<u64>(IDS).fill(0);

  put(id: u32, revision: u64, key: u32, application: u64): void {
    if (this.revisions[id] >= revision) return;
    this.revisions[id] = revision;
    this.keys[id] = key;
    this.applications[id] = application;
  }

  remove(id: u32, revision: u64): void {
    if (this.revisions[id] < revision) this.revisions[id] = 0;
  }

  /** The id that a key leads to, 0 if none. */
  find(key: u32): u32 {
    let newest: u32 = 0;
    for (let id: u32 = 1; id < IDS; id++) {
      if (this.revisions[id] == 0 || this.keys[id] != key) continue;
      if (newest == 0 || this.revisions[id] >= this.revisions[newest]) newest = id;
    }
    return newest;
  }
}

function directory(): usize {
  const at = room(DIRECTORY_BYTES);
  directoryInit(at, 0x243f6a8885a308d3, 0x13198a2e03707344);
  return at;
}

/** Keys for which the directory does not say what the model says. */
function differences(at: usize, model: Model): u32 {
  let wrong: u32 = 0;
  for (let key: u32 = 0; key < KEYS; key++) {
    const found = findCredential(at, digestAt(DIGEST, key));
    const expected = model.find(key);
    if (found == 0) {
      if (expected != 0) wrong++;
      continue;
    }
    const credential = changetype<Credential>(found);
    if (credential.id != <u64>expected) wrong++;
    else if (credential.application != model.applications[expected]) wrong++;
  }
  return wrong;
}

/** Puts a record of the serving generation, as it is, into the one being filled. */
function repeat(at: usize, serving: Model, filling: Model): void {
  const id = 1 + below(IDS - 1);
  const revision = serving.revisions[id];
  if (revision == 0) return;
  new Records().credential(id, revision, serving.keys[id], serving.applications[id]).apply(at);
  filling.put(id, revision, serving.keys[id], serving.applications[id]);
}

/** Changes one random record in the directory and in the model of its generation. */
function change(at: usize, model: Model, revision: u64): void {
  const id = 1 + below(IDS - 1);
  if (below(3) == 0) {
    new Records().removed(1, id, revision).apply(at);
    model.remove(id, revision);
    return;
  }
  // Few bodies, so that generations often have entries alike.
  const key = below(KEYS);
  const application = 1 + below(2);
  new Records().credential(id, revision, key, application).apply(at);
  model.put(id, revision, key, application);
}

describe('random changes', () => {
  // Guarantees that look-ups equal those of a model, whatever happened before.
  test('leave what a model has', () => {
    seed(424242);
    const at = directory();
    let serving = new Model();
    let filling: Model | null = null;
    let complete = false;
    let wrong: u32 = 0;
    for (let round = 0; round < 20000; round++) {
      const dice = below(100);
      if (dice == 0) {
        beginGeneration(at);
        if (complete) filling = new Model();
        else serving = new Model();
      } else if (dice == 1) {
        endGeneration(at);
        complete = true;
        const filled = filling;
        if (filled !== null) serving = filled;
        filling = null;
      } else if (dice < 5) {
        directoryTick(at);
      } else {
        const target = filling;
        const revision = 1 + <u64>(round / 4);
        if (target === null) change(at, serving, revision);
        else if (dice < 60) repeat(at, serving, target);
        else change(at, target, revision);
      }
      wrong += differences(at, serving);
    }
    expect(wrong).toBe(0, 'seed 424242');
    expect(brokenTotal()).toBe(0, 'seed 424242');
    if (!complete || filling !== null) endGeneration(at);
    while (directoryTick(at)) {}
    expect(credentialCount(at) < IDS).toBe(true);
  });
});

/** Puts credentials `from` to `to`, ids and keys alike, in pages of 300. */
function fill(at: usize, from: u32, to: u32, revision: u64): i32 {
  let result = 0;
  for (let id = from; id <= to && result == 0; ) {
    const page = new Records();
    for (let i = 0; i < 300 && id <= to; i++, id++) page.credential(id, revision, id, id % 20000);
    result = page.apply(at);
  }
  return result;
}

function missing(at: usize, from: u32, to: u32): u32 {
  let count: u32 = 0;
  for (let id = from; id <= to; id++) {
    const found = findCredential(at, digestAt(DIGEST, id));
    if (found == 0 || changetype<Credential>(found).id != id) count++;
  }
  return count;
}

describe('a hundred thousand credentials', () => {
  // Guarantees the size that is promised, and that a second generation of the same store, a removal
  // of all and a fill anew take no further memory.
  test('fit, are found while the tables grow, and leave room when they go', () => {
    const at = directory();
    const before = memoryBytes();
    for (let step: u32 = 0; step < 10; step++) {
      fill(at, step * 10000 + 1, (step + 1) * 10000, 5);
      expect(missing(at, 1, (step + 1) * 10000)).toBe(0);
      expect(missing(at, (step + 1) * 10000 + 1, (step + 1) * 10000 + 100)).toBe(100);
    }
    endGeneration(at);
    expect(credentialCount(at)).toBe(100000);
    const grown = memoryBytes();
    // The specs' own pages count as well; the tables alone take about 11 MB.
    expect(grown - before).toBeLessThan(60 << 20);
    beginGeneration(at);
    fill(at, 1, 100000, 5);
    expect(credentialCount(at)).toBe(100000);
    endGeneration(at);
    while (directoryTick(at)) {}
    expect(missing(at, 1, 100000)).toBe(0);
    let removals = new Records();
    for (let id: u32 = 1; id <= 100000; id++) {
      removals.removed(1, id, 6);
      if (id % 1000 != 0) continue;
      removals.apply(at);
      removals = new Records();
    }
    expect(credentialCount(at)).toBe(0);
    expect(missing(at, 1, 1000)).toBe(1000);
    fill(at, 1, 100000, 7);
    expect(missing(at, 1, 100000)).toBe(0);
    expect(brokenTotal()).toBe(0);
    directoryFree(at);
  });

  // Guarantees a bound, and that reaching it keeps what is there.
  test('end at the bound of a table', () => {
    const at = directory();
    let result = 0;
    let id: u32 = 0;
    while (result == 0 && id <= APPLICATIONS_MAX) {
      const page = new Records();
      for (let i = 0; i < 1000; i++) page.application(++id, 5, 'c', 'a');
      result = page.apply(at);
    }
    expect(result).toBe(1);
    expect(applicationCount(at)).toBe(APPLICATIONS_MAX);
    // A removal makes room again.
    new Records().removed(2, 1, 6).apply(at);
    expect(new Records().application(900000, 7, 'c', 'a').apply(at)).toBe(0);
    directoryFree(at);
  });
});
