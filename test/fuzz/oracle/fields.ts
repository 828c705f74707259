/**
 * Parameters of a query and cookies as docs/wire.md, section 3, reads them: split, decode, compare;
 * and what is left of a header when some of them are cut.
 */

const KEY_BYTES_MAX = 512;

/** Where fields stand. */
export type FieldKind = 'query' | 'cookie';

/** One field. */
export interface Field {
  /** As it stands, blanks and all. */
  readonly raw: string;
  readonly name: string;
  readonly value: string;
}

/** The fields of a path or of a cookie header. */
export function fieldsOf(kind: FieldKind, text: string): Field[] {
  const list = kind === 'query' ? queryOf(text) : text;
  if (list === undefined) return [];
  return list.split(kind === 'query' ? '&' : ';').map((raw) => {
    const at = raw.indexOf('=');
    const name = at < 0 ? raw : raw.slice(0, at);
    const value = at < 0 ? '' : raw.slice(at + 1);
    return {
      raw,
      name: decoded(kind, kind === 'cookie' ? trimmed(name) : name),
      value: read(decoded(kind, kind === 'cookie' ? unquoted(trimmed(value)) : value)),
    };
  });
}

/** The text without some of its fields, or undefined when nothing is left of a cookie header. */
export function withoutFields(
  kind: FieldKind,
  text: string,
  isCut: (field: Field) => boolean,
): string | undefined {
  const fields = fieldsOf(kind, text);
  const kept = fields.filter((field) => !isCut(field)).map(({ raw }) => raw);
  if (kept.length === fields.length) return text;
  if (kind === 'cookie') {
    if (kept.length === 0) return undefined;
    const first = kept[0] === fields[0]?.raw ? kept[0] : kept[0]?.replace(/^[ \t]+/, '');
    return [first, ...kept.slice(1)].join(';') || undefined;
  }
  const path = text.slice(0, text.indexOf('?'));
  return kept.length === 0 ? path : `${path}?${kept.join('&')}`;
}

function queryOf(path: string): string | undefined {
  const at = path.indexOf('?');
  return at < 0 ? undefined : path.slice(at + 1);
}

function decoded(kind: FieldKind, text: string): string {
  const plain = kind === 'query' ? text.replaceAll('+', ' ') : text;
  return plain.replace(/%([0-9a-f]{2})/gi, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

/** A value above the longest key is read no further, so that blanks at its end do not go. */
function read(value: string): string {
  const text = value.replace(/^[ \t]+/, '');
  return text.length > KEY_BYTES_MAX ? text : trimmed(text);
}

function unquoted(text: string): string {
  return text.replace(/^"(.*)"$/s, '$1');
}

function trimmed(text: string): string {
  return text.replace(/^[ \t]+|[ \t]+$/g, '');
}
