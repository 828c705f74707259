/**
 * Output formats: the same rows as a table for people, or JSON, YAML and names for programs.
 */
import { stringify } from 'yaml';
import { type Context, say } from './context.ts';

/** Formats of `-o`. */
export const FORMATS = ['table', 'json', 'yaml', 'name'] as const;

/** One of {@link FORMATS}. */
export type Format = (typeof FORMATS)[number];

/** A column of a table: its head, and what stands in it. */
export interface Column<T> {
  readonly head: string;
  readonly cell: (row: T) => string;
}

/** Prints rows in a format. */
export function printRows<T extends { readonly name: string }>(
  context: Context,
  format: Format,
  rows: readonly T[],
  columns: readonly Column<T>[],
): void {
  if (format === 'json' || format === 'yaml') printValue(context, format, rows);
  else if (format === 'table') say(context, tableOf(rows, columns));
  else for (const { name } of rows) say(context, name);
}

/** Prints one value as JSON or YAML. */
export function printValue(context: Context, format: 'json' | 'yaml', value: unknown): void {
  const text = format === 'json' ? JSON.stringify(value, null, 2) : stringify(value).trimEnd();
  say(context, text);
}

/** Rows as a table with heads, for people. */
export function tableOf<T>(rows: readonly T[], columns: readonly Column<T>[]): string {
  const lines = [
    columns.map(({ head }) => head),
    ...rows.map((row) => columns.map(({ cell }) => cell(row))),
  ];
  const widths = columns.map((_, at) => Math.max(...lines.map((line) => line[at]?.length ?? 0)));
  return lines
    .map((line) => {
      const cells = line.map((cell, at) => cell.padEnd(widths[at] ?? 0));
      return cells.join('  ').trimEnd();
    })
    .join('\n');
}
