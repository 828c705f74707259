/**
 * Reads the origins that CORS names, in the form in which browsers send them.
 */
import { type Fault, fault, type Read, read } from './errors.ts';

/** Origins: all of them, or those that begin and end so with a host between; no end = this one. */
export type AllowedOrigin = '*' | { readonly start: string; readonly end: string };

const ORIGIN = /^([a-z][a-z0-9+.-]*:\/\/)(\*\.)?([a-z0-9.-]+|\[[0-9a-f:]+\])(:\d{1,5})?$/;
const DEFAULT_PORTS: Record<string, string> = { 'http://': ':80', 'https://': ':443' };
const ORIGIN_MAX = 255;

/** An origin, `*`, or all hosts below one. */
export function readOrigin(text: string): Read<AllowedOrigin> {
  const no = (why: string, suggestion?: string): Fault =>
    fault('SG1230', { value: text, why }, suggestion === undefined ? {} : { suggestion });
  if (text === '*') return read('*');
  if (text.length > ORIGIN_MAX) return no(`is longer than ${ORIGIN_MAX} characters`);
  if (!text.includes('://')) {
    return no('has no scheme', text.includes('.') ? `https://${text}` : undefined);
  }
  if (/[A-Z]/.test(text)) return no('is not in lower case', text.toLowerCase());
  const path = /^[^/]*\/\/[^/]*\//.exec(text);
  if (path !== null) return no('has a path', path[0].slice(0, -1));
  const [, scheme = '', star, host = '', port = ''] = ORIGIN.exec(text) ?? [];
  if (host === '') return no('is not an origin');
  if (DEFAULT_PORTS[scheme] === port && port !== '') {
    return no('names the default port, which browsers leave out', text.slice(0, -port.length));
  }
  if (star === undefined) return read({ start: text, end: '' });
  return read({ start: scheme, end: `.${host}${port}` });
}
