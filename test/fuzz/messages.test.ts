/**
 * Messages of the host changed on the way, with right and with wrong digests, for a few seconds:
 * `npm run fuzz` goes on for longer.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { firstSeed, run } from './campaign.ts';
import { opinions } from './rig/attacks.ts';
import { readCorpus } from './target.ts';
import { messages } from './targets/messages.ts';

const FOR_MS = 15_000;

// Guarantees that what was once found is never to be found again.
test('the corpus of messages', async () => {
  const corpus = readCorpus(messages.name);
  assert.ok(corpus.size > 0);
  for (const [name, { input }] of corpus) {
    assert.equal(await messages.replay(input), undefined, name);
  }
});

// Guarantees that no bytes from the host's side trap or hold the filter, that it takes none which
// the strict decoder refuses, and that it admits what some whole message admits and nothing else.
test('changed messages are refused whole, or believed as a decoder reads them', async (t) => {
  const terms = { seed: firstSeed, ms: FOR_MS, findingsMax: 1 };
  const { rounds, executions, findings } = await run(messages, terms);
  t.diagnostic(`${executions} messages in ${rounds} rounds from seed ${firstSeed}`);
  t.diagnostic(`filter and decoder: ${JSON.stringify(opinions)}`);
  assert.deepEqual(findings, [], `npm run fuzz -- --target messages --seed ${findings[0]?.seed}`);
  assert.ok(executions > 0);
});
