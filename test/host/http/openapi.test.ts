/**
 * Holds the description of the admin API to the routes, and the file of it to what is served.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TrialHost } from '../../support/trial-host.ts';
import { assertUpToDate } from '../../tidy/golden.ts';
import { ROUTES } from './routes.ts';

interface Described {
  readonly paths: Record<string, Record<string, Operation>>;
}

interface Operation {
  readonly summary: string;
  readonly 'x-sidegate-role'?: string;
  readonly parameters: { readonly name: string; readonly in: string }[];
  readonly requestBody?: object;
}

// Guarantees that who writes a program against the file meets the API that is served.
test('the description in docs is the one that is served', async () => {
  await using host = await TrialHost.start();
  const { status, body } = await host.ask('GET', '/v1/openapi.json');
  assert.equal(status, 200);
  assertUpToDate('docs/openapi.json', `${JSON.stringify(body, null, 2)}\n`);
});

// Guarantees that every route is described, with its role and everything its path names.
test('every route is described', async () => {
  await using host = await TrialHost.start();
  const { paths } = (await host.ask('GET', '/v1/openapi.json')).body as Described;
  let count = 0;
  for (const { method, url, role } of ROUTES) {
    const operation = paths[url.replace(/:(\w+)/g, '{$1}')]?.[method.toLowerCase()];
    assert.ok(operation, `${method} ${url}`);
    assert.equal(operation['x-sidegate-role'], role, url);
    assert.notEqual(operation.summary, url, `${method} ${url} says what it is for`);
    const named = [...url.matchAll(/:(\w+)/g)].map(([, name]) => name);
    const inPath = operation.parameters.filter((each) => each.in === 'path');
    assert.deepEqual(inPath.map(({ name }) => name).sort(), named.sort(), url);
    count += 1;
  }
  const described = Object.values(paths).flatMap((each) => Object.keys(each));
  assert.equal(described.length, count);
});
