/**
 * Who calls the sync port, by the certificate that the host's own sidecar has verified: read from
 * `x-forwarded-client-cert`, and held to the principals of the proxy group that is asked for. It
 * believes that header only from the machine itself, and of it only what the sidecar wrote.
 */
import type { FastifyRequest } from 'fastify';
import type { Principals } from '../service/principals.ts';
import { Problem } from './problem.ts';

/** A hook that lets a caller through to the proxy groups whose principals it is one of. */
export function requirePrincipal(principals: Principals) {
  return async (request: FastifyRequest): Promise<void> => {
    const { group } = request.params as { group?: string };
    // A path without a proxy group is none of ours; its answer tells nothing.
    if (group === undefined) return;
    const { remoteAddress } = request.raw.socket;
    const name = isOwnSidecar(remoteAddress ?? '') ? principalOf(fieldOf(request)) : undefined;
    await principals.settled();
    if (name !== undefined && principals.has(group, name)) return;
    request.log.warn({ group, principal: name }, 'a caller was refused by its mesh identity');
    throw new Problem('forbidden', `you are no principal of proxy group ${group}`);
  };
}

/**
 * Addresses of which a sidecar calls the service it stands before: loopback, and those that Istio
 * binds for that, 127.0.0.6 and ::6.
 */
export function isOwnSidecar(address: string): boolean {
  return /^(::ffff:)?127(\.\d{1,3}){3}$/.test(address) || address === '::1' || address === '::6';
}

/**
 * The one URI in the last element of the header, which is the certificate that the sidecar itself
 * verified; what stands before was written by others. Undefined when there is none, or several.
 */
export function principalOf(field: string): string | undefined {
  const uris = pairsOfLast(field).filter(([key]) => key.toLowerCase() === 'uri');
  const [uri] = uris;
  return uris.length === 1 && uri !== undefined && uri[1] !== '' ? uri[1] : undefined;
}

function fieldOf(request: FastifyRequest): string {
  const field = request.headers['x-forwarded-client-cert'] ?? '';
  return typeof field === 'string' ? field : field.join(',');
}

/** Keys and values of the last element; a field whose quotes do not close has none. */
function pairsOfLast(field: string): [string, string][] {
  let pairs: [string, string][] = [];
  let key: string | undefined;
  let text = '';
  let isQuoted = false;
  const endPair = () => {
    if (key !== undefined) pairs.push([key.trim(), text.trim()]);
    key = undefined;
    text = '';
  };
  for (let i = 0; i < field.length; i++) {
    const letter = field.charAt(i);
    if (isQuoted && letter === '\\') text += field.charAt(++i);
    else if (letter === '"') isQuoted = !isQuoted;
    else if (isQuoted) text += letter;
    else if (letter === '=' && key === undefined) {
      key = text;
      text = '';
    } else if (letter === ';') endPair();
    else if (letter === ',') {
      endPair();
      pairs = [];
    } else text += letter;
  }
  endPair();
  return isQuoted ? [] : pairs;
}
