/**
 * Holds the README to what is there: its commands to package.json, its curl lines to what the
 * quickstart prints. That the lines answer as they say is shown on a real Envoy by test/e2e.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { demoOf, describeDemo } from '../../envoy/quickstart/demo.ts';
import { planPorts } from '../../envoy/quickstart/ports.ts';
import { exists, read } from './sources.ts';

const readme = read('README.md');
const demo = demoOf(planPorts(undefined), 'the-admin-token', { demo: 'the-key' });

/** Lines of a text that call curl, with the key written as a shell variable. */
function curlLines(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => /\bcurl /.test(line))
    .map((line) => line.replace(/(['"])x-api-key: [^'"]+\1/, '"x-api-key: $KEY"'));
}

// Guarantees that a newcomer who copies from the README types commands that exist.
test('the commands of the README are scripts of package.json', () => {
  const { scripts } = JSON.parse(read('package.json'));
  const pages = ['README.md', 'CONTRIBUTING.md', 'docs/operations.md'].map(read).join('\n');
  const commands = [...pages.matchAll(/\bnpm (?:run (?:-s )?([\w:-]+)|(start|test))\b/g)];
  const names = new Set(commands.map(([, script, short]) => script ?? short ?? ''));
  assert.deepEqual(
    [...names].filter((name) => !(name in scripts)),
    [],
  );
  for (const name of ['start', 'test']) assert.ok(names.has(name), `the README says npm ${name}`);
});

/** Lines that the quickstart prints and a page does not have. */
function missingLines(page: string): string[] {
  const shown = curlLines(page);
  return curlLines(describeDemo(demo)).filter((line) => !shown.includes(line));
}

// Guarantees that the README and the terminal of `npm start` show the same three lines.
test('the README has every curl line that the quickstart prints', () => {
  assert.equal(curlLines(describeDemo(demo)).length, 3);
  assert.deepEqual(missingLines(readme), []);
  assert.equal(missingLines(readme.replaceAll('/hello', '/hallo')).length, 3);
  for (const line of curlLines(readme)) {
    assert.ok(line.includes(demo.proxy), `${line} asks the quickstart`);
  }
});

// Guarantees that the addresses in the quickstart's configuration are those the README names.
test('the configuration of the quickstart listens where the README asks', () => {
  assert.match(read('envoy/quickstart/envoy.yaml'), new RegExp(new URL(demo.proxy).port));
  assert.ok(exists('envoy/quickstart/README.md'));
});
