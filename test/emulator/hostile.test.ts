/**
 * The hostile corpus in the emulator: what the filter decides of each request, and what it leaves
 * of it. test/e2e/hostile.test.ts plays the same files through a real Envoy.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Pair } from '../../host/emulator/index.ts';
import {
  HOSTILE_APPLICATION,
  HOSTILE_RESOURCES,
  type HostileAnswer,
  hostileCases,
  requestsOf,
} from '../support/hostile.ts';
import { FilterRig } from './support/filter.ts';

describe('the hostile corpus', () => {
  let rig: FilterRig;
  const keys = { key: '', other: '' };

  before(async () => {
    rig = await FilterRig.start({ resources: HOSTILE_RESOURCES });
    keys.key = (await rig.host.createKey(HOSTILE_APPLICATION)).key;
    keys.other = (await rig.host.createKey(HOSTILE_APPLICATION)).key;
    await rig.advance(200);
  });

  after(() => rig[Symbol.asyncDispose]());

  // Guarantees the right answer to every request of the corpus that reaches the filter.
  test('is decided as its files say', async () => {
    const cases = hostileCases(keys);
    assert.ok(cases.length >= 50);
    for (const one of cases) {
      const { answers = [] } = one;
      const requests = answers.length > 0 ? requestsOf(one) : [];
      assert.equal(requests.length, answers.length, one.name);
      for (const [i, answer] of answers.entries()) await decide(one.name, requests[i], answer);
    }
  });

  async function decide(name: string, headers: readonly Pair[] = [], answer: HostileAnswer) {
    const stream = rig.vm.request({ headers });
    await rig.decided(stream);
    const state = Buffer.from(stream.filterState.get('wasm.sidegate') ?? []).toString();
    assert.match(state, new RegExp(`reason=${answer.reason}$`), name);
    assert.equal(stream.status ?? 200, answer.status, name);
    const replied = Object.fromEntries(stream.answer?.headers ?? []);
    if (answer.grpc !== undefined) assert.equal(replied['grpc-status'], answer.grpc, name);
    const seen = stream.upstreamHeaders ?? [];
    const text = JSON.stringify(seen);
    assert.ok(![keys.key, keys.other, 'forged'].some((secret) => text.includes(secret)), name);
    const { path, present = {}, absent = [] } = answer.upstream ?? {};
    const value = (wanted: string) => seen.find(([other]) => other === wanted)?.[1];
    if (path !== undefined) assert.equal(value(':path'), path, name);
    for (const [wanted, is] of Object.entries(present)) assert.equal(value(wanted), is, name);
    for (const unwanted of absent) assert.equal(value(unwanted), undefined, name);
    stream.end();
  }

  // Guarantees that a caller who gives up while its request is held leaves nothing behind.
  test('a caller who leaves while it is held is forgotten', async () => {
    await using cold = await FilterRig.start({ resources: HOSTILE_RESOURCES });
    const { key } = await cold.host.createKey(HOSTILE_APPLICATION);
    await cold.advance(200);
    const left = cold.request([['x-api-key', key]]);
    assert.equal(left.outcome, 'paused');
    left.end();
    await cold.advance(200);
    assert.equal((await cold.send(key)).outcome, 'continued');
  });
});
