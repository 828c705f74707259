/**
 * The belt behind the filter as `sidegate doctor` sees it: a policy that asks for a mark, and the
 * plugin that has to set it. It must never show a mark.
 */
import { type Finding, finding } from './doctor-findings.ts';
import type { Manifest, Manifests } from './doctor-manifests.ts';
import { type Plugin, selects } from './doctor-plugins.ts';
import { PLACEHOLDERS } from './samples.ts';

const MARK = 'SIDEGATE_MARK';
const KEY = /^request\.headers\[x-sidegate-mark\]$/i;

/** Policies that ask a plugin's workload for another mark than the plugin sets. */
export function checkBelt({ manifest, wasm, labels }: Plugin, { all }: Manifests): Finding[] {
  const env = manifest.list([...wasm, 'vmConfig', 'env']) as readonly Variable[];
  const mark = env.find(({ name }) => name === MARK)?.value;
  return all
    .filter((one) => one.kind === 'AuthorizationPolicy' && one.namespace === manifest.namespace)
    .filter((one) => selects(one.labels(['spec', 'selector', 'matchLabels']), labels))
    .flatMap((policy) => {
      const asked = marksOf(policy);
      if (asked.length === 0) return [];
      const place = ['metadata', 'name'];
      if (mark === undefined || !asked.includes(mark)) {
        return [finding('SG2205', policy, place, { plugin: manifest.name })];
      }
      if (mark !== PLACEHOLDERS.mark) return [];
      return [finding('SG2106', policy, place, { what: 'the mark' })];
    });
}

interface Variable {
  readonly name?: string;
  readonly value?: string;
}

interface Condition {
  readonly key?: string;
  readonly values?: readonly string[];
  readonly notValues?: readonly string[];
}

/** The marks that a policy knows. */
function marksOf(policy: Manifest): string[] {
  const rules = policy.list(['spec', 'rules']) as readonly { when?: readonly Condition[] }[];
  return rules
    .flatMap(({ when = [] }) => when)
    .filter(({ key = '' }) => KEY.test(key))
    .flatMap(({ values = [], notValues = [] }) => [...values, ...notValues]);
}
