/**
 * Callers known by a token that the mesh has verified: a RequestAuthentication with keys of the
 * rig's own, and the filter behind it, in the phase that can see what it found and in the one that
 * cannot.
 */
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import type { Checks } from './checks.ts';
import { readResources, removeResources, writeResources } from './host.ts';
import { apply, type KubeObject, kube, pathOf } from './kube.ts';
import { HOST_NAME, PODS } from './s2.ts';
import { answered, inARow, send } from './traffic.ts';

const ISSUER = 'https://id.example.com';

const BY_CLAIM = `
apiVersion: sidegate.dev/v1alpha1
kind: Credential
metadata: { name: mobile }
spec: { application: roomy, claim: { issuer: "${ISSUER}", name: azp, value: mobile } }
`;

/** Checks the layout that is in force, of which the plugin is given; leaves it as it was. */
export async function checkClaims(checks: Checks, plugin: KubeObject): Promise<void> {
  const own = generateKeyPairSync('rsa', { modulusLength: 2_048 });
  const foreign = generateKeyPairSync('rsa', { modulusLength: 2_048 });
  const authentication = authenticationOf(own.publicKey);
  const orders = readResources('orders.yaml');
  const jwt = `jwt: { issuer: "${ISSUER}", audiences: [orders], claim: azp }`;
  writeResources('orders.yaml', orders.replace(/^( *)- apiKey: .*$/m, `$&\n$1- ${jwt}`));
  writeResources('mobile.yaml', BY_CLAIM);
  const good = tokenOf(own.privateKey, { aud: 'orders', azp: 'mobile' });
  const statusOf = async (token?: string) => (await send(targetOf(token))).status;
  const refused = [
    undefined,
    tokenOf(own.privateKey, { aud: 'payments', azp: 'mobile' }),
    tokenOf(own.privateKey, { aud: 'orders', azp: 'nobody' }),
    tokenOf(foreign.privateKey, { aud: 'orders', azp: 'mobile' }),
  ];
  const refusesOthers = async () => {
    return (await Promise.all(refused.map(statusOf))).every((status) => status === 401);
  };
  // Guarantees that issuer, audience, claim and signature all count, as the mesh has verified them.
  await checks.check('a verified token names the application, in phase AUTHZ', async () => {
    await apply(authentication);
    await apply({ ...plugin, spec: { ...plugin.spec, phase: 'AUTHZ' } });
    await answered(200, () => send(targetOf(good)));
    await inARow('it passes', async () => (await statusOf(good)) === 200);
    await inARow('others are refused', refusesOthers);
  });
  // Guarantees that a token nobody has verified is nothing, whichever phase somebody chose.
  await checks.check(
    'in phase AUTHN, before it is verified, the same token is nothing',
    async () => {
      await apply(plugin);
      await inARow('it is refused', async () => (await statusOf(good)) === 401);
      await inARow('others are refused', refusesOthers);
    },
  );
  await kube('DELETE', pathOf(authentication));
  removeResources('mobile.yaml');
  writeResources('orders.yaml', orders);
}

function targetOf(token?: string) {
  const target = { address: PODS.gateway.address, port: 80, host: HOST_NAME };
  return token === undefined ? target : { ...target, token };
}

function authenticationOf(key: KeyObject): KubeObject {
  const jwks = JSON.stringify({ keys: [{ ...key.export({ format: 'jwk' }), alg: 'RS256' }] });
  return {
    apiVersion: 'security.istio.io/v1',
    kind: 'RequestAuthentication',
    metadata: { name: 'tokens', namespace: 'shop' },
    spec: {
      selector: { matchLabels: PODS.orders.labels },
      jwtRules: [{ issuer: ISSUER, jwks, forwardOriginalToken: true }],
    },
  };
}

function tokenOf(key: KeyObject, claims: Record<string, string>): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const exp = Math.floor(Date.now() / 1_000) + 3_600;
  const said = `${part({ alg: 'RS256', typ: 'JWT' })}.${part({ iss: ISSUER, exp, ...claims })}`;
  return `${said}.${sign('RSA-SHA256', Buffer.from(said), key).toString('base64url')}`;
}
