/**
 * Files of very many callers, as a program writes them that moves from another system: consumers,
 * applications, subscriptions, and keys by their digests. Texts only, made when they are asked for.
 */
import { createHash } from 'node:crypto';

const PER_FILE = 10_000;

/** Files with so many of each kind, as a program writes them that moves from another system. */
export function* callers(count: number): Iterable<[string, string]> {
  const kinds: Record<string, (at: number) => string> = {
    Consumer: (at) => written('Consumer', `consumer-${at}`, { displayName: `Consumer ${at}` }),
    Application: (at) => written('Application', `app-${at}`, { consumer: `consumer-${at}` }),
    Subscription: (at) => {
      const spec = { application: `app-${at}`, product: 'orders', plan: 'orders-gold' };
      return written('Subscription', `app-${at}`, spec);
    },
    Credential: (at) => {
      const spec = { application: `app-${at}`, digest: digestOf(`key ${at}`) };
      return written('Credential', `key-${at}`, spec);
    },
  };
  for (const [kind, make] of Object.entries(kinds)) {
    for (let from = 0; from < count; from += PER_FILE) {
      const places = Array.from({ length: Math.min(PER_FILE, count - from) }, (_, i) => from + i);
      yield [`${kind.toLowerCase()}-${from}.yaml`, places.map(make).join('---\n')];
    }
  }
}

function written(kind: string, name: string, spec: Record<string, string>): string {
  const fields = Object.entries(spec).map(([field, text]) => `  ${field}: "${text}"\n`);
  const head = `apiVersion: sidegate.dev/v1alpha1\nkind: ${kind}\nmetadata: { name: ${name} }\n`;
  return `${head}spec:\n${fields.join('')}`;
}

/** SHA-256 of a text in hexadecimal, as a key that was made elsewhere is declared by. */
export function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
