/**
 * The Dockerfile of the host, held without Docker to what the manifests ask of the image: what it
 * copies is there, it runs as the user of the pod, and its arguments are understood.
 */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { parseAllDocuments } from 'yaml';
import { readSettings } from '../../host/config/settings.ts';
import { copyOf, readStages, valuesOf } from './dockerfile.ts';

const ROOT = path.join(import.meta.dirname, '../..');
const read = (name: string) => readFileSync(path.join(ROOT, name), 'utf8');
const stages = readStages();
const steps = stages.flat();
const last = stages.at(-1) ?? [];

// Guarantees that a build fails on no missing file and that nothing else goes into the image.
test('what is copied is there, and is what the ignore file lets through', () => {
  const copied = valuesOf(steps, 'COPY')
    .map(copyOf)
    .flatMap(({ from, stage }) => (stage ? [] : from));
  for (const name of copied) assert.ok(existsSync(path.join(ROOT, name)), name);
  const [everything, ...let_] = read('Dockerfile.dockerignore').trim().split('\n');
  assert.equal(everything, '*');
  const through = let_.map((line) => line.replace(/^!/, ''));
  assert.deepEqual([...new Set(copied)].sort(), through.sort());
});

// Guarantees that the image needs no root and is the user that the pod says it is.
test('it runs as the user of the StatefulSet, who owns the store and nothing else', () => {
  const stateful = parseAllDocuments(read('istio/host/stateful-set.yaml'))[0]?.toJS();
  const { runAsUser, runAsGroup, runAsNonRoot } = stateful.spec.template.spec.securityContext;
  assert.ok(runAsNonRoot);
  assert.deepEqual(valuesOf(last, 'USER'), [`${runAsUser}:${runAsGroup}`]);
  const run = valuesOf(last, 'RUN').join(' ');
  assert.match(
    run,
    new RegExp(`install -d -o ${runAsUser} -g ${runAsGroup} -m 700 /var/lib/sidegate`),
  );
  assert.equal(run.match(/-o \d+/g)?.length, 1, run);
});

// Guarantees that the image starts: entry, arguments and Node are what the package has.
test('entry, arguments and Node are those of the package', () => {
  const [entry = '[]'] = valuesOf(last, 'ENTRYPOINT');
  const [program, main] = JSON.parse(entry) as string[];
  assert.deepEqual([program, existsSync(path.join(ROOT, main ?? ''))], ['node', true]);
  const [command = '[]'] = valuesOf(last, 'CMD');
  assert.ok(readSettings(JSON.parse(command), {}).ok);
  const { dependencies } = JSON.parse(read('package.json'));
  for (const image of valuesOf(steps, 'FROM')) {
    assert.match(image, new RegExp(`^node:${dependencies.node}-[a-z]+-slim`));
  }
});

// Guarantees that the host imports nothing that the image does not hold.
test('the host needs no file outside of what is copied', () => {
  const files = readdirSync(path.join(ROOT, 'host'), { recursive: true, encoding: 'utf8' });
  for (const file of files.filter((name) => name.endsWith('.ts'))) {
    const text = read(path.join('host', file));
    for (const [, name = ''] of text.matchAll(/from '(\.\.?\/[^']+)'/g)) {
      const target = path.join('host', path.dirname(file), name);
      assert.match(target, /^host\//, `${file} imports ${name}`);
    }
  }
});
