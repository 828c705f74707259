/**
 * Label selectors, with the words and the meaning that Kubernetes gives them: what is asked of the
 * labels of a resource. It must never match what it could not read.
 */

/** One thing that is asked of labels. */
export interface LabelRule {
  readonly key: string;
  /** `in` and `exists` need the label; the others are met without it. */
  readonly is: 'in' | 'notin' | 'exists' | 'absent';
  readonly values: readonly string[];
}

/** Most characters of a selector. */
export const SELECTOR_CHARS_MAX = 1_024;

const WORD = String.raw`[^\s,()=!]+`;
const AMONG = new RegExp(`^(${WORD})\\s+(in|notin)\\s*\\(([^()]*)\\)$`);
const EQUALS = new RegExp(`^(${WORD})\\s*(==|=|!=)\\s*(${WORD}|)$`);
const THERE = new RegExp(`^(!?)\\s*(${WORD})$`);
/** Commas that part rules, not values. */
const BETWEEN = /,(?![^()]*\))/;

/** The rules of a selector such as `team=shop,tier!=test,region in (eu,us)`, or what is wrong. */
export function readSelector(text: string): readonly LabelRule[] | string {
  if (text.length > SELECTOR_CHARS_MAX) {
    return `the selector has ${text.length} characters, at most ${SELECTOR_CHARS_MAX}`;
  }
  const rules: LabelRule[] = [];
  for (const part of text.split(BETWEEN)) {
    const rule = readRule(part.trim());
    if (rule === undefined)
      return `${JSON.stringify(part.trim().slice(0, 80))} is no rule of labels`;
    rules.push(rule);
  }
  return rules;
}

function readRule(text: string): LabelRule | undefined {
  const [, key = '', among, list = ''] = AMONG.exec(text) ?? [];
  if (among === 'in' || among === 'notin') {
    const values = list.split(',').map((value) => value.trim());
    return values.some((value) => /[\s=!]/.test(value)) ? undefined : { key, is: among, values };
  }
  const [, name, sign, value = ''] = EQUALS.exec(text) ?? [];
  if (name !== undefined) {
    return { key: name, is: sign === '!=' ? 'notin' : 'in', values: [value] };
  }
  const [, not, there] = THERE.exec(text) ?? [];
  if (there === undefined) return undefined;
  return { key: there, is: not === '!' ? 'absent' : 'exists', values: [] };
}

/** Whether labels are as all rules ask. */
export function isSelected(
  rules: readonly LabelRule[],
  labels: Readonly<Record<string, string>>,
): boolean {
  return rules.every(({ key, is, values }) => {
    const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
    if (is === 'exists') return value !== undefined;
    if (is === 'absent') return value === undefined;
    return (value !== undefined && values.includes(value)) === (is === 'in');
  });
}
