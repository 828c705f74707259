/**
 * Batches of resource files as the admin API takes them. They are read here, from the bytes of the
 * call, so that the thread which answers proxies never does: one may have 64 MiB.
 */
import { type Static, Type } from 'typebox';
import Value from 'typebox/value';
import { LOAD_BOUNDS } from '../resources/load.ts';

/** The form of a batch. */
export const Batch = Type.Object(
  {
    files: Type.Array(
      Type.Object(
        { name: Type.String({ minLength: 1, maxLength: 1024 }), text: Type.String() },
        { additionalProperties: false },
      ),
      { maxItems: LOAD_BOUNDS.filesMax },
    ),
    prune: Type.Optional(Type.Boolean()),
    dryRun: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false },
);

/** The batch that pieces of bytes are together, or what is wrong with them. */
export function readBatch(pieces: readonly Uint8Array[]): Static<typeof Batch> | string {
  let value: unknown;
  try {
    const decoder = new TextDecoder('utf-8', { fatal: true });
    const texts = pieces.map((piece) => decoder.decode(piece, { stream: true }));
    value = JSON.parse(texts.join('') + decoder.decode());
  } catch {
    return 'the body is not JSON';
  }
  if (Value.Check(Batch, value)) return value;
  const [first] = Value.Errors(Batch, value);
  const { instancePath = '', message = '' } = first ?? {};
  const what = message === 'schema is false' ? 'is an unknown field' : message;
  const where = instancePath === '' ? 'it' : instancePath;
  return `the body does not have the form it must have: ${where} ${what}`;
}
