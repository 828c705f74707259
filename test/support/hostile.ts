/**
 * The hostile corpus (test/fixtures/hostile): raw requests and the right answer to each, read by
 * the emulator and by a real Envoy alike. Texts only: who plays them stands elsewhere.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Pair } from '../../host/emulator/index.ts';

/** What has to become of one request. */
export interface HostileAnswer {
  readonly status: number;
  readonly reason: string;
  /** The gRPC status in the answer. */
  readonly grpc?: string;
  /** What the service has to see of a request that passes. */
  readonly upstream?: {
    readonly path?: string;
    readonly present?: Readonly<Record<string, string>>;
    readonly absent?: readonly string[];
  };
}

/** One case. A case without `raw` and `h2` is one that no proxy hands on. */
export interface HostileCase {
  readonly name: string;
  readonly shows: string;
  /** Bytes on an HTTP/1.1 connection, as a byte string. */
  readonly raw?: string;
  /** A request of HTTP/2 with prior knowledge. */
  readonly h2?: readonly Pair[];
  /** What the filter sees of each request, where it is not what `raw` says. */
  readonly filter?: readonly (readonly Pair[])[];
  /** What the proxy answers by itself, before the filter sees anything. */
  readonly proxy?: { readonly status: number };
  /** What the filter decides of each request, proxy or no proxy. */
  readonly answers?: readonly HostileAnswer[];
}

const FOLDER = fileURLToPath(new URL('../fixtures/hostile/', import.meta.url));

/** The resources that every case is played against. */
export const HOSTILE_RESOURCES = readFileSync(`${FOLDER}resources.yaml`, 'utf8');

/** The application whose keys the cases use. */
export const HOSTILE_APPLICATION = 'shop';

/** Every case with its placeholders filled in. */
export function hostileCases(keys: { key: string; other: string }): HostileCase[] {
  const names = readdirSync(FOLDER).filter((name) => name.endsWith('.json'));
  return names.sort().map((name) => {
    const text = readFileSync(FOLDER + name, 'utf8')
      .replaceAll('{key}', keys.key)
      .replaceAll('{other}', keys.other)
      .replace(/\{(\/?x)\*(\d+)\}/g, (_, what: string, times) => what.repeat(Number(times)));
    return { ...(JSON.parse(text) as Omit<HostileCase, 'name'>), name: name.slice(0, -5) };
  });
}

/** The requests of a case as the filter sees them. */
export function requestsOf({ filter, h2, raw = '' }: HostileCase): (readonly Pair[])[] {
  if (filter !== undefined) return [...filter];
  if (h2 !== undefined) return [h2];
  return raw
    .split(/(?<=\r\n\r\n)(?=[A-Z]+ )/)
    .map((text) => text.split('\r\n\r\n')[0] ?? '')
    .map((head) => {
      const [first = '', ...fields] = head.split('\r\n');
      const [method = '', path = ''] = first.split(' ');
      const pairs = fields.map((field): Pair => {
        const at = field.indexOf(':');
        const name = field.slice(0, at).toLowerCase();
        return [name === 'host' ? ':authority' : name, field.slice(at + 1).trim()];
      });
      return [[':method', method], [':path', path], ...pairs];
    });
}
