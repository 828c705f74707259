/**
 * What is stored, written as files and read again: a default that is filled in and could not be
 * written by hand would make an export that its own host refuses.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { loadResources } from '../../../host/resources/load.ts';
import { formatProblems } from '../../../host/resources/problem.ts';
import { resourcesYaml } from '../../../host/resources/yaml.ts';
import { readFolder } from '../../../host/service/folder.ts';

const FOLDERS = ['test/fixtures/resources/good', 'envoy/quickstart/policies'];

// Guarantees that every field that a resource may have survives export and apply.
test('good resources are the same after export and load', () => {
  for (const folder of FOLDERS) {
    const files = readFolder(fileURLToPath(new URL(`../../../${folder}`, import.meta.url)));
    const loaded = loadResources(files);
    assert.ok(loaded.ok, folder);
    const text = resourcesYaml(loaded.resources);
    const again = loadResources([{ name: 'all.yaml', bytes: Buffer.from(text) }]);
    assert.ok(again.ok, again.ok ? '' : formatProblems(again.problems));
    assert.deepEqual(again.resources, loaded.resources);
  }
});
