/**
 * Holds the committed JSON Schema to the one source of the resources, and the source to itself:
 * what editors accept and what the host accepts must not drift apart.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { Compile } from 'typebox/compile';
import { parseAllDocuments } from 'yaml';
import { explainTopic } from '../../../host/resources/explain.ts';
import { editorSchema } from '../../../host/resources/json-schema.ts';
import { extrasOf, KINDS, resourceSchema } from '../../../host/resources/schema/schema.ts';

const FILE = new URL('../../../host/resources/sidegate.schema.json', import.meta.url);
const GOOD = new URL('../../fixtures/resources/good/', import.meta.url);
const COMMAND = 'UPDATE_GOLDEN=1 npm test -- json-schema';

// Guarantees that editors complete what this version reads.
test('the committed schema is the one that the source makes', () => {
  const made = `${JSON.stringify(editorSchema(COMMAND), null, 2)}\n`;
  if (process.env.UPDATE_GOLDEN === '1') writeFileSync(FILE, made);
  assert.equal(made, readFileSync(FILE, 'utf8'), `out of date; run ${COMMAND}`);
});

// Guarantees that an editor never marks what the host takes, and marks what it refuses by name.
test('the schema takes every good file and refuses unknown and later fields', () => {
  const schema = JSON.parse(readFileSync(FILE, 'utf8'));
  const validator = Compile(schema);
  for (const name of readdirSync(GOOD)) {
    for (const document of parseAllDocuments(readFileSync(new URL(name, GOOD), 'utf8'))) {
      const value = document.toJS() as { spec?: object } | null;
      if (value === null) continue;
      assert.ok(validator.Check(value), `${name}: ${JSON.stringify(validator.Errors(value)[0])}`);
      assert.ok(!validator.Check({ ...value, status: {} }), 'status never stands in files');
      assert.ok(!validator.Check({ ...value, spec: { ...value.spec, cors: {} } }));
    }
  }
});

type Shape = { properties?: Record<string, Shape>; items?: Shape; description?: string };

/** Every schema of a kind with its topic. */
function* schemasOf(topic: string, schema: Shape): Iterable<[string, Shape]> {
  yield [topic, schema];
  const item = schema.items ?? schema;
  if (schema.items !== undefined) yield [topic, item];
  for (const [field, next] of Object.entries(item.properties ?? {})) {
    yield* schemasOf(`${topic}.${field}`, next);
  }
}

// Guarantees that the "more" line of a problem always leads somewhere.
test('every field is described and explained', () => {
  for (const kind of KINDS) {
    for (const [topic, schema] of schemasOf(kind.toLowerCase(), resourceSchema(kind) as Shape)) {
      const explained = explainTopic(topic);
      assert.ok(explained.ok, topic);
      for (const later of extrasOf(schema as never).later ?? []) {
        assert.match(JSON.stringify(explainTopic(`${topic}.${later}`)), /Not supported yet/);
        assert.ok(schema.properties?.[later] === undefined, `${topic}.${later} is both`);
      }
    }
  }
});

// Guarantees that a wrong topic is answered with what was meant.
test('an unknown topic names what is there', () => {
  const field = explainTopic('plan.spec.limits.windw');
  assert.ok(!field.ok && /no field "windw"\. Did you mean "window"\?/.test(field.message));
  const kind = explainTopic('plam');
  assert.ok(!kind.ok && /Did you mean "plan"\?/.test(kind.message));
  assert.ok(!explainTopic('plan.__proto__').ok);
});
