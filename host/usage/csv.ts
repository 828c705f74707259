/**
 * Rows as CSV (RFC 4180). A cell that a spreadsheet would take for a formula is quoted and made a
 * text, because names come from people.
 */

/** A head and one line for each row, ended by CRLF; absent values are empty. */
export function csvOf(columns: readonly string[], rows: readonly object[]): string {
  const lines = rows.map((row) =>
    columns.map((column) => cellOf((row as Record<string, unknown>)[column])),
  );
  return [columns, ...lines].map((cells) => `${cells.join(',')}\r\n`).join('');
}

function cellOf(value: unknown): string {
  const text = value === undefined || value === null ? '' : String(value);
  const safe = typeof value === 'string' && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
