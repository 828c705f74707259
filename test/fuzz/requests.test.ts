/**
 * Requests of any bytes against the oracle, for a few seconds: `npm run fuzz` goes on for longer.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { firstSeed, run } from './campaign.ts';
import { readCorpus } from './target.ts';
import { requests } from './targets/requests.ts';

const FOR_MS = 15_000;

// Guarantees that what was once found is never to be found again.
test('the corpus of requests', async () => {
  const corpus = readCorpus(requests.name);
  assert.ok(corpus.size > 0);
  for (const [name, { input }] of corpus) {
    assert.equal(await requests.replay(input), undefined, name);
  }
});

// Guarantees that no request traps, passes by, or is answered otherwise than docs/wire.md says.
test('drawn requests are decided as the oracle decides them', async (t) => {
  const { rounds, executions, findings } = await run(requests, {
    seed: firstSeed,
    ms: FOR_MS,
    findingsMax: 1,
  });
  t.diagnostic(`${executions} requests in ${rounds} rounds from seed ${firstSeed}`);
  assert.deepEqual(findings, [], `npm run fuzz -- --target requests --seed ${findings[0]?.seed}`);
  assert.ok(executions > 0);
});
