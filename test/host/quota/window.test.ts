/** Which window a point of time falls into, from one second to one day. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { windowAt, windowById, windowLengthMs } from '../../../host/quota/window.ts';

// Guarantees that a window kind nobody defined never opens an account.
test('fixed windows are whole seconds up to a day', () => {
  assert.deepEqual([1, 60, 86_400].map(windowLengthMs), [1_000, 60_000, 86_400_000]);
  const others = [0, -1, 0.5, Number.NaN, 86_401, 0x80000000];
  assert.deepEqual(others.map(windowLengthMs), [
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
});

// Guarantees that quotas of a day begin at midnight UTC wherever the host runs.
test('windows are aligned to UTC, half open, and numbered from 1', () => {
  const noon = Date.UTC(2026, 0, 15, 12);
  const day = windowAt(86_400_000, noon);
  assert.equal(day.startMs, Date.UTC(2026, 0, 15));
  assert.equal(day.endMs, Date.UTC(2026, 0, 16));
  assert.deepEqual(windowAt(86_400_000, day.startMs), day);
  assert.deepEqual(windowAt(86_400_000, day.endMs - 1), day);
  assert.equal(windowAt(86_400_000, day.endMs).windowId, day.windowId + 1);
  assert.deepEqual(windowById(86_400_000, day.windowId), day);
  assert.equal(windowAt(1_000, 0).windowId, 1);
});
