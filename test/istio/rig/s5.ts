/**
 * Layout S5: the eight steps of a Mixer adapter, each with its error, decided in the proxy and
 * reported for analytics.
 */
import assert from 'node:assert/strict';
import { Hopeless } from '../../support/wait.ts';
import type { Checks } from './checks.ts';
import { applicationOn, inHost, makeKey, writeResources } from './host.ts';
import { until } from './processes.ts';
import { HOST_NAME, PODS } from './s2.ts';
import { answered, type Reply, send } from './traffic.ts';

/** Checks the steps through the gateway, in whose place Mixer's proxy stood. */
export async function checkAdapterSteps(checks: Checks): Promise<void> {
  writeResources('two.yaml', applicationOn('two', 2));
  writeResources('stranger.yaml', applicationOn('stranger', 2, 'suspended'));
  const ask = (key?: string) => {
    const target = { address: PODS.gateway.address, port: 80, host: HOST_NAME };
    return send(key === undefined ? target : { ...target, key });
  };
  const stranger = (await makeKey('stranger')).key;
  const two = (await makeKey('two')).key;
  // Guarantees the errors of the steps, as callers see them.
  await checks.check('S5: key validation refuses no key and a key nobody made', async () => {
    problemOf(await answered(401, () => ask(), [200]));
    const nobodys = `${two.slice(0, -1)}${two.endsWith('a') ? 'b' : 'a'}`;
    problemOf(await answered(401, () => ask(nobodys), [200]));
  });
  await checks.check('S5: a key whose subscription is suspended gets 403', async () => {
    const reply = await answered(403, () => ask(stranger), [200]);
    assert.match(problemOf(reply), /subscription/);
  });
  await checks.check('S5: throttling, mediation and what the caller is told', async () => {
    const passed: Reply[] = [];
    let denied: Reply | undefined;
    // A worker without units in hand answers 503 when the host is slower than holdMs.
    await until('two pass and one is denied', async () => {
      const reply = await ask(two);
      if (reply.status === 200) passed.push(reply);
      if (reply.status === 429) denied = reply;
      if (passed.length > 2) throw new Hopeless('more than two have passed');
      return denied !== undefined && passed.length === 2;
    });
    assert.ok(denied !== undefined);
    assert.equal(passed[0]?.body.trim(), 'hello acme');
    assert.match(String(passed[0]?.headers.ratelimit), /^"per-day";r=[01];t=\d+$/);
    assert.match(problemOf(denied), /per-day/);
    assert.match(String(denied.headers['retry-after']), /^\d+$/);
  });
  // Guarantees the last step: who called what, and how it ended, is reported without a call.
  await checks.check('S5: the usage of consumer, operation and outcome is reported', async () => {
    const args = ['usage', '--by', 'consumer,application,operation,reason', '-o', 'json'];
    await until('the report is in', () => {
      const rows = JSON.stringify(JSON.parse(inHost(...args)));
      const has = (reason: string) => new RegExp(`"two"[^}]*"${reason}"`).test(rows);
      return has('allowed') && has('quota_exceeded') && rows.includes('listOrders');
    });
  });
}

/** The body of a denial; it must be a problem that says its status. */
function problemOf({ status, body, headers }: Reply): string {
  assert.match(String(headers['content-type']), /^application\/problem\+json/);
  assert.equal(JSON.parse(body).status, status);
  return body;
}
