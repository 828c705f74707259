/**
 * What some stored resources came to when they were compiled: the names of their records and the
 * identity of their credentials. It must never compile anything.
 */
import type { CanonicalResource } from '../resources/load.ts';
import { credentialDigest } from '../resources/model.ts';
import { referenceText, resolveReference } from '../resources/reference.ts';
import { specOf } from '../resources/spec.ts';
import { resourceKey, subscriptionKey } from './ids.ts';
import { type DeclaredCredential, type NameKey, RecordKind } from './output.ts';

/** The name of a directory record. */
export interface RecordName {
  readonly kind: RecordKind;
  readonly name: NameKey;
}

/** Names of the records that applications and subscriptions among some resources have. */
export function recordNames(resources: readonly CanonicalResource[]): RecordName[] {
  return resources.flatMap(({ kind, namespace, name, text }): RecordName[] => {
    if (kind === 'Application') {
      return [{ kind: RecordKind.application, name: resourceKey(kind, namespace, name) }];
    }
    if (kind !== 'Subscription') return [];
    const { application = '', product = '' } = specOf<'Subscription'>(text) ?? {};
    const refers = (to: string) => resolveReference(to, namespace);
    const key = subscriptionKey({ application: refers(application), product: refers(product) });
    return [{ kind: RecordKind.subscription, name: key }];
  });
}

/** What makes the credentials among some resources the ones they are. */
export function credentialIdentities(
  resources: readonly CanonicalResource[],
): Pick<DeclaredCredential, 'namespace' | 'application' | 'digest'>[] {
  return resources.flatMap(({ kind, namespace, text }) => {
    const spec = kind === 'Credential' ? specOf<'Credential'>(text) : undefined;
    if (spec === undefined) return [];
    const application = referenceText(resolveReference(spec.application, namespace), namespace);
    return [{ namespace, application, digest: credentialDigest(spec) }];
  });
}
