/**
 * Reads path templates and base paths into segments in the form that docs/wire.md compares:
 * unreserved characters decoded, other escapes in upper case. A path that the filter would refuse
 * as ambiguous is refused here, since no request could ever match it.
 */
import { type Fault, fault, type Read, read } from './errors.ts';

/** A segment: literal text, or one segment of any text. */
export type Segment = { readonly literal: string } | 'any';

/** A path template below a base path. */
export interface PathTemplate {
  readonly segments: readonly Segment[];
  /** True when the template ends in `**`: any rest of the path, also none. */
  readonly rest: boolean;
}

/** Most segments of a path with its base path, as the filter counts them. */
export const SEGMENTS_MAX = 64;

/** Most bytes of one literal segment, as the filter holds them. */
export const SEGMENT_BYTES_MAX = 255;

const UNRESERVED = /^[0-9A-Za-z._~-]$/;

/** Segments of a base path; none for `/`. */
export function readBasePath(text: string): Read<readonly string[]> {
  if (text === '/') return read([]);
  const no = (why: string): Fault => fault('SG1216', { value: text, why });
  if (!text.startsWith('/')) return no('does not begin with /');
  if (text.endsWith('/')) return no('ends with /');
  const segments: string[] = [];
  for (const part of text.slice(1).split('/')) {
    if (/[*{}]/.test(part)) return no('has a segment that is not literal');
    const literal = readLiteral(part);
    if (!literal.ok) return no(String(literal.facts.why));
    segments.push(literal.value);
  }
  return segments.length > SEGMENTS_MAX
    ? no(`has more than ${SEGMENTS_MAX} segments`)
    : read(segments);
}

/** A template. The empty text is the base path itself; a trailing `/` is an empty last segment. */
export function readPathTemplate(text: string): Read<PathTemplate> {
  const no = (why: string): Fault => fault('SG1202', { value: text, why }, encoded(text));
  if (text === '') return read({ segments: [], rest: false });
  if (!text.startsWith('/')) return no('does not begin with /');
  const parts = text.slice(1).split('/');
  if (parts.length > SEGMENTS_MAX) return no(`has more than ${SEGMENTS_MAX} segments`);
  const rest = parts.at(-1) === '**';
  if (rest) parts.pop();
  const segments: Segment[] = [];
  const names = new Set<string>();
  for (const [i, part] of parts.entries()) {
    const last = i === parts.length - 1 && !rest;
    const segment = readSegment(part, last, names);
    if (!segment.ok) return no(String(segment.facts.why));
    segments.push(segment.value);
  }
  return read({ segments, rest });
}

/** The percent-encoded form of a text with characters outside ASCII, as a suggestion. */
function encoded(text: string): { suggestion: string } | undefined {
  // A lone surrogate has no encoding.
  if (!/[^\x20-\x7e]/.test(text) || !text.isWellFormed()) return undefined;
  return { suggestion: text.replace(/[^\x20-\x7e]+/g, (part) => encodeURIComponent(part)) };
}

function readSegment(part: string, last: boolean, names: Set<string>): Read<Segment> {
  const no = (why: string): Fault => fault('SG1202', { why });
  if (part === '*') return read('any');
  if (part === '**') return no('has ** before its end');
  const param = /^\{([A-Za-z_][0-9A-Za-z_-]*)\}$/.exec(part)?.[1];
  if (param !== undefined) {
    if (names.has(param)) return no(`has {${param}} twice`);
    names.add(param);
    return read('any');
  }
  if (/[*{}]/.test(part)) return no(`has the segment "${part}": a part of a segment cannot vary`);
  if (part === '' && last) return read({ literal: '' });
  const literal = readLiteral(part);
  return literal.ok ? read({ literal: literal.value }) : literal;
}

/** A literal segment in the form the filter compares. `why` of a fault ends the sentence. */
function readLiteral(part: string): Read<string> {
  const no = (why: string): Fault => fault('SG1202', { why });
  if (part === '') return no('has an empty segment');
  if (/[?#]/.test(part)) return no('has a query or fragment; only the path is matched');
  if (/[;\\]/.test(part)) return no('has ; or \\, which proxies refuse as ambiguous');
  if (!/^[\x21-\x7e]*$/.test(part)) return no('has characters that must be percent-encoded');
  if (/%(?![0-9A-Fa-f]{2})/.test(part)) return no('has a % without two hex digits');
  if (/%(2f|5c|00)/i.test(part)) return no('has an escape that proxies refuse as ambiguous');
  const literal = part.replace(/%[0-9A-Fa-f]{2}/g, (triple) => {
    const character = String.fromCharCode(Number.parseInt(triple.slice(1), 16));
    return UNRESERVED.test(character) ? character : triple.toUpperCase();
  });
  if (literal.length > SEGMENT_BYTES_MAX) {
    return no(`has a segment of more than ${SEGMENT_BYTES_MAX} characters`);
  }
  if (literal === '.' || literal === '..') return no('has a segment . or ..');
  return read(literal);
}
