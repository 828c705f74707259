/**
 * Measures functions in scanned source text. It works on brackets alone, so that one rule serves
 * TypeScript and AssemblyScript alike; it must never count a string or a comment as code.
 */
import { lineAt } from './scan.ts';
import type { Source } from './sources.ts';

/** A function with a body: its name, where known, its first line and the lines its body takes. */
export interface FunctionSize {
  name: string;
  line: number;
  lines: number;
}

/** Words before a `(` that make it a statement's, not a parameter list. */
const CONTROL = /\b(if|for|await|while|switch|catch|with|case)\s*$/;
const SUITE = /\b(describe|suite)(\.\w+)*\s*$/;

/**
 * Lists the functions of a source. The callback of `describe` or `suite` is a chapter of a test
 * file, not a function, and is left out; what stands in it is measured.
 */
export function functionsOf(source: Source): FunctionSize[] {
  const { code, text } = source;
  const closes = matchBrackets(code);
  const found: FunctionSize[] = [];
  for (const [head, end] of closes) {
    if (code[head] !== '(' || CONTROL.test(code.slice(Math.max(0, head - 20), head))) continue;
    const open = bodyAfter(code, end + 1, closes);
    const close = open === undefined ? undefined : closes.get(open);
    if (open === undefined || close === undefined || isSuite(code, head)) continue;
    const lines = lineAt(text, close) - lineAt(text, open) + 1;
    found.push({ name: nameBefore(code, head), line: lineAt(text, head), lines });
  }
  return found.sort((a, b) => a.line - b.line);
}

/**
 * Pairs every opening bracket of masked code with its closing one. Unpaired brackets are left out.
 */
export function matchBrackets(code: string): Map<number, number> {
  const closes = new Map<number, number>();
  const open: number[] = [];
  const partner: Record<string, string> = { ')': '(', ']': '[', '}': '{' };
  for (let i = 0; i < code.length; i++) {
    const c = code[i] ?? '';
    if (c === '(' || c === '[' || c === '{') open.push(i);
    else if (partner[c] !== undefined) {
      while (open.length > 0 && code[open[open.length - 1] ?? 0] !== partner[c]) open.pop();
      const start = open.pop();
      if (start !== undefined) closes.set(start, i);
    }
  }
  return closes;
}

/** The `{` of the body that follows a parameter list which ends before `from`, if one does. */
function bodyAfter(code: string, from: number, closes: Map<number, number>): number | undefined {
  let i = skipSpace(code, from);
  if (code[i] === ':') i = skipSpace(code, afterType(code, i + 1, closes));
  if (code.startsWith('=>', i)) i = skipSpace(code, i + 2);
  return code[i] === '{' ? i : undefined;
}

/** Skips a type. A brace is part of it only where an operand is expected: `): { a: u32 } {`. */
function afterType(code: string, from: number, closes: Map<number, number>): number {
  let operandExpected = true;
  for (let i = skipSpace(code, from); i < code.length; i = skipSpace(code, i)) {
    const c = code[i] ?? '';
    if (c === '{' && !operandExpected) return i;
    if (c === '{' || c === '(' || c === '[') {
      i = (closes.get(i) ?? code.length) + 1;
      operandExpected = false;
    } else if (c === '|' || c === '&' || c === '<' || c === ',') {
      if (c === ',' && !/<[^<>;{}]*$/.test(code.slice(from, i))) return i;
      operandExpected = true;
      i++;
    } else if (/[\w$.'"`>?!\]]/.test(c)) {
      const word = /^[\w$.]+/.exec(code.slice(i, i + 80))?.[0] ?? c;
      operandExpected = ['is', 'keyof', 'typeof', 'readonly', 'asserts'].includes(word);
      i += word.length;
    } else return i;
  }
  return code.length;
}

function skipSpace(code: string, from: number): number {
  let i = from;
  while (i < code.length && /\s/.test(code[i] ?? '')) i++;
  return i;
}

/** Whether the function is an argument of `describe(` or `suite(`. */
function isSuite(code: string, head: number): boolean {
  let depth = 0;
  for (let i = head - 1; i >= 0; i--) {
    const c = code[i] ?? '';
    if (c === ')' || c === ']' || c === '}') depth++;
    else if (c === '(' && depth === 0) return SUITE.test(code.slice(0, i));
    else if (c === '(' || c === '[' || c === '{') {
      if (depth === 0) return false;
      depth--;
    } else if (c === ';' && depth === 0) return false;
  }
  return false;
}

function nameBefore(code: string, head: number): string {
  const before = code.slice(Math.max(0, head - 120), head);
  const named = /([\w$]+)\s*(<[^<>]*>)?\s*$/.exec(before)?.[1];
  if (named !== undefined && named !== 'function' && named !== 'async') return named;
  const assigned = /([\w$]+)\s*(:[^=;{}]*)?=\s*(async\s*)?(function\s*)?$/.exec(before)?.[1];
  return assigned ?? 'anonymous';
}
