/**
 * What a proxy has verified of a peer, as the properties by which a filter reads it. It must never
 * decide who counts.
 */
import type { PropertyList } from '../../../host/emulator/index.ts';
import type { Caller, Claim } from '../oracle/caller.ts';

const PEER = ['connection', 'uri_san_peer_certificate'];
const TOKEN = ['metadata', 'filter_metadata', 'envoy.filters.http.jwt_authn', 'payload'];

/** The properties of a connection or a token; none for nobody. */
export function propertiesOf({ uri, claims = {} }: Caller = {}): PropertyList {
  const entries = Object.entries(claims).map(([name, claim]): [string, Uint8Array] => {
    return [[...TOKEN, name].join('\0'), bytesOf(claim)];
  });
  if (uri !== undefined) entries.push([PEER.join('\0'), Buffer.from(uri, 'latin1')]);
  return Object.fromEntries(entries);
}

/** A list as the proxy writes one: how many, the lengths with a 0 each, then the texts. */
function bytesOf(claim: Claim): Uint8Array {
  if (typeof claim === 'string') return Buffer.from(claim, 'latin1');
  if (typeof claim === 'number') return new Uint8Array(new Float64Array([claim]).buffer);
  const sizes = claim.flatMap((each) => [each.length, 0]);
  return Buffer.concat([
    new Uint8Array(new Uint32Array([claim.length, ...sizes]).buffer),
    ...claim.map((each) => Buffer.from(`${each}\0\0`, 'latin1')),
  ]);
}
