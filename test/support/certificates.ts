/**
 * Certificates as a mesh makes them: one authority, and for each workload a key and a certificate
 * whose only name is its URI. Made in the process, of ASN.1 by hand, so that no tool is needed.
 */
import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import type { Config } from './envoy-config.ts';

/** Certificate and key in PEM. */
export interface Pair {
  readonly cert: string;
  readonly key: string;
}

const SEQUENCE = 0x30;
const ECDSA_WITH_SHA256 = oid('06082a8648ce3d040302');
const COMMON_NAME = oid('0603550403');
const BASIC_CONSTRAINTS = oid('0603551d13');
const SUBJECT_ALT_NAME = oid('0603551d11');
const DAY_MS = 86_400_000;

/** An authority. */
export class Authority {
  readonly #key: KeyObject;
  /** Its own certificate in PEM. */
  readonly cert: string;

  constructor() {
    const { privateKey, publicKey } = newKeys();
    this.#key = privateKey;
    const constraint = der(SEQUENCE, der(0x01, Buffer.of(0xff)));
    const isAuthority = [BASIC_CONSTRAINTS, der(0x01, Buffer.of(0xff)), octets(constraint)];
    this.cert = this.#certify('authority', publicKey, der(SEQUENCE, ...isAuthority));
  }

  /** A workload with this URI, such as spiffe://cluster.local/ns/a/sa/b. */
  issue(uri: string): Pair {
    const { privateKey, publicKey } = newKeys();
    const names = octets(der(SEQUENCE, der(0x86, Buffer.from(uri))));
    const cert = this.#certify('workload', publicKey, der(SEQUENCE, SUBJECT_ALT_NAME, names));
    return { cert, key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
  }

  #certify(subject: string, key: KeyObject, extension: Buffer): string {
    const algorithm = der(SEQUENCE, ECDSA_WITH_SHA256);
    const valid = [Date.now() - DAY_MS, Date.now() + DAY_MS].map(utcTime);
    const serial = Buffer.concat([Buffer.of(0x01), randomBytes(8)]);
    const body = der(
      SEQUENCE,
      der(0xa0, der(0x02, Buffer.of(2))),
      der(0x02, serial),
      algorithm,
      nameOf('authority'),
      der(SEQUENCE, ...valid),
      nameOf(subject),
      key.export({ type: 'spki', format: 'der' }),
      der(0xa3, der(SEQUENCE, extension)),
    );
    const signature = der(0x03, Buffer.of(0), sign('sha256', body, this.#key));
    const text = der(SEQUENCE, body, algorithm, signature).toString('base64');
    const lines = text.match(/.{1,64}/g) ?? [];
    return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n');
  }
}

/** TLS of a listener that asks callers for certificates of an authority and takes none as well. */
export function serverTransport(authority: Authority, own: Pair): Config {
  return transport('DownstreamTlsContext', authority, own, { require_client_certificate: false });
}

/** TLS of a cluster that shows its certificate and believes the authority's alone. */
export function clientTransport(authority: Authority, own: Pair): Config {
  return transport('UpstreamTlsContext', authority, own);
}

function transport(
  context: string,
  authority: Authority,
  { cert, key }: Pair,
  more: Config = {},
): Config {
  const file = (text: string) => ({ inline_string: text });
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': `type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.${context}`,
      ...more,
      common_tls_context: {
        tls_certificates: [{ certificate_chain: file(cert), private_key: file(key) }],
        validation_context: { trusted_ca: file(authority.cert) },
      },
    },
  };
}

function newKeys() {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' });
}

function oid(hex: string): Buffer {
  return Buffer.from(hex, 'hex');
}

function octets(content: Buffer): Buffer {
  return der(0x04, content);
}

function nameOf(text: string): Buffer {
  const attribute = der(SEQUENCE, COMMON_NAME, der(0x0c, Buffer.from(text)));
  return der(SEQUENCE, der(0x31, attribute));
}

function utcTime(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replace(/\D/g, '').slice(2, 14);
  return der(0x17, Buffer.from(`${digits}Z`));
}

/** A value of ASN.1 in DER. */
function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const long = length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.of(tag, ...(length < 0x80 ? [length] : long)), content]);
}
