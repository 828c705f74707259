/**
 * Reads the Markdown of this repository: titles, anchors and links. It must never follow a link
 * out of the tree.
 */
import { posix } from 'node:path';
import type { Problem } from './sources.ts';

/** A link with the 1-based line it stands on. */
export interface Link {
  target: string;
  line: number;
}

/** The text without fenced blocks and code spans, line for line. */
function proseOf(text: string): string[] {
  let fence = '';
  return text.split('\n').map((line) => {
    const mark = /^\s*(```+|~~~+)/.exec(line)?.[1] ?? '';
    if (fence !== '') {
      if (mark.startsWith(fence)) fence = '';
      return '';
    }
    if (mark !== '') {
      fence = mark;
      return '';
    }
    return line;
  });
}

/** The headings of a page, in order, without their marks. */
export function headingsOf(text: string): string[] {
  return proseOf(text).flatMap((line) => {
    const heading = /^(#{1,6})\s+(.*?)\s*#*\s*$/.exec(line);
    return heading === null ? [] : [heading[2] ?? ''];
  });
}

/**
 * The anchors a page offers: one for each heading, as code hosts derive them, and explicit ones.
 */
export function anchorsOf(text: string): Set<string> {
  const anchors = new Set<string>();
  for (const heading of headingsOf(text)) {
    const base = heading
      .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replace(/\s/g, '-');
    let anchor = base;
    for (let n = 1; anchors.has(anchor); n++) anchor = `${base}-${n}`;
    anchors.add(anchor);
  }
  for (const match of text.matchAll(/<a (?:id|name)="([^"]+)"/g)) anchors.add(match[1] ?? '');
  return anchors;
}

/** The links of a page: inline ones, images and reference definitions. */
export function linksOf(text: string): Link[] {
  return proseOf(text).flatMap((line, index) => {
    const prose = line.replace(/`[^`]*`/g, (code) => ' '.repeat(code.length));
    const inline = [...prose.matchAll(/\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)/g)];
    const defined = [...prose.matchAll(/^\s*\[[^\]]+\]:\s*<?(\S+?)>?\s*$/g)];
    return [...inline, ...defined].map((match) => ({ target: match[1] ?? '', line: index + 1 }));
  });
}

/** Links that lead nowhere in this tree: a file or an anchor that is not there. */
export function checkLinks(
  pages: Map<string, string>,
  isThere: (path: string) => boolean,
): Problem[] {
  const problems: Problem[] = [];
  for (const [path, text] of pages) {
    for (const { target, line } of linksOf(text)) {
      if (/^[a-z]+:/i.test(target)) continue;
      const [file = '', anchor = ''] = target.split('#');
      const linked = file === '' ? path : posix.normalize(posix.join(posix.dirname(path), file));
      const page = pages.get(linked);
      if (linked.startsWith('..') || !isThere(linked)) {
        problems.push(`${path}:${line}  links to ${target}, which is not there`);
      } else if (anchor !== '' && page !== undefined && !anchorsOf(page).has(anchor)) {
        problems.push(`${path}:${line}  links to ${target}, but no heading makes that anchor`);
      }
    }
  }
  return problems;
}

/** Pages that do not begin with a title of the first level. */
export function checkTitles(pages: Map<string, string>): Problem[] {
  return [...pages].flatMap(([path, text]) => {
    const first = text
      .replace(/<!--[\s\S]*?-->/g, '')
      .split('\n')
      .find((line) => line.trim() !== '');
    return first?.startsWith('# ') ? [] : [`${path}:1  begins with no title`];
  });
}
