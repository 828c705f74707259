/**
 * A resource change as it crosses threads. A hundred thousand small objects take longer to copy
 * than to store, so that they go as a few columns, whose memory is handed over. It changes the form
 * alone and must never leave anything out.
 */
import type {
  CompiledGroup,
  CompiledRecord,
  DeclaredCredential,
  RecordKind,
} from '../compile/output.ts';
import { type CredentialRules, NO_RULES } from '../credential/rules.ts';
import type { CredentialIdentity, ResourceChange, SetPart } from './store.ts';

/** Texts of which many are alike: each once, and which of them stands where. */
interface PackedTexts {
  readonly texts: readonly string[];
  readonly places: Uint32Array;
}

interface PackedIdentities {
  readonly namespaces: PackedTexts;
  readonly applications: PackedTexts;
  readonly digests: Uint8Array;
}

interface PackedCredentials {
  readonly identities: PackedIdentities;
  readonly names: readonly string[];
  readonly states: PackedTexts;
  /** Unix milliseconds; not a number = none. */
  readonly notBefore: Float64Array;
  readonly notAfter: Float64Array;
  /** Of those that have any, by their places. */
  readonly rules: ReadonlyMap<number, CredentialRules>;
}

interface PackedGroup {
  readonly group: string;
  readonly policy: Uint8Array;
  readonly kinds: Uint8Array;
  readonly ids: Float64Array;
  readonly lengths: Uint32Array;
  readonly bodies: Uint8Array;
}

interface PackedPart extends Omit<SetPart, 'credentials'> {
  readonly identities: PackedIdentities;
}

/** A resource change in columns. */
export interface PackedChange {
  readonly rest: Omit<ResourceChange, 'credentials' | 'groups' | 'part'>;
  readonly part: PackedPart | undefined;
  readonly credentials: PackedCredentials;
  readonly groups: readonly PackedGroup[];
}

const DIGEST_BYTES = 32;

/** A change in columns. */
export function packChange(change: ResourceChange): PackedChange {
  const { credentials, groups, part, ...rest } = change;
  return {
    rest,
    part: part && packPart(part),
    credentials: packCredentials(credentials),
    groups: groups.map(packGroup),
  };
}

/** The change that was packed. */
export function unpackChange({ rest, part, credentials, groups }: PackedChange): ResourceChange {
  return {
    ...rest,
    ...(part && { part: unpackPart(part) }),
    credentials: unpackCredentials(credentials),
    groups: groups.map(unpackGroup),
  };
}

/** The memory of a packed change that nobody else has and that can be handed over. */
export function memoryOf({ part, credentials, groups }: PackedChange): ArrayBuffer[] {
  const { identities, states, notBefore, notAfter } = credentials;
  const columns = [
    ...[identities, ...(part === undefined ? [] : [part.identities])].flatMap(identityColumns),
    ...[states.places, notBefore, notAfter],
    ...groups.flatMap(({ kinds, ids, lengths, bodies }) => [kinds, ids, lengths, bodies]),
  ];
  return columns.map(({ buffer }) => buffer as ArrayBuffer);
}

function packPart({ credentials, ...rest }: SetPart): PackedPart {
  return { ...rest, identities: packIdentities(credentials) };
}

function unpackPart({ identities, ...rest }: PackedPart): SetPart {
  return { ...rest, credentials: unpackIdentities(identities) };
}

function identityColumns({ namespaces, applications, digests }: PackedIdentities) {
  return [namespaces.places, applications.places, digests];
}

function packTexts<T>(list: readonly T[], textOf: (each: T) => string): PackedTexts {
  const known = new Map<string, number>();
  const places = new Uint32Array(list.length);
  let at = 0;
  for (const each of list) {
    const text = textOf(each);
    let place = known.get(text);
    if (place === undefined) {
      place = known.size;
      known.set(text, place);
    }
    places[at] = place;
    at += 1;
  }
  return { texts: [...known.keys()], places };
}

function textAt({ texts, places }: PackedTexts, at: number): string {
  return texts[places[at] ?? 0] ?? '';
}

function packIdentities(list: readonly CredentialIdentity[]): PackedIdentities {
  const digests = new Uint8Array(DIGEST_BYTES * list.length);
  let at = 0;
  for (const { digest } of list) {
    digests.set(digest, at);
    at += DIGEST_BYTES;
  }
  return {
    namespaces: packTexts(list, ({ namespace }) => namespace),
    applications: packTexts(list, ({ application }) => application),
    digests,
  };
}

function unpackIdentities(packed: PackedIdentities): CredentialIdentity[] {
  const { namespaces, applications, digests } = packed;
  const list: CredentialIdentity[] = [];
  for (let at = 0; at < namespaces.places.length; at++) {
    list.push({
      namespace: textAt(namespaces, at),
      application: textAt(applications, at),
      digest: digests.subarray(DIGEST_BYTES * at, DIGEST_BYTES * (at + 1)),
    });
  }
  return list;
}

function packCredentials(list: readonly DeclaredCredential[]): PackedCredentials {
  const rules = new Map<number, CredentialRules>();
  const notBefore = new Float64Array(list.length);
  const notAfter = new Float64Array(list.length);
  let at = 0;
  for (const { rules: said, notBeforeMs, notAfterMs } of list) {
    notBefore[at] = notBeforeMs ?? Number.NaN;
    notAfter[at] = notAfterMs ?? Number.NaN;
    if (said.cidrs.length + said.referers.length > 0) rules.set(at, said);
    at += 1;
  }
  const identities = packIdentities(list);
  const names = list.map(({ name }) => name);
  return {
    identities,
    names,
    states: packTexts(list, ({ state }) => state),
    notBefore,
    notAfter,
    rules,
  };
}

function unpackCredentials(packed: PackedCredentials): DeclaredCredential[] {
  const { identities, names, states, notBefore, notAfter, rules } = packed;
  const { namespaces, applications, digests } = identities;
  return names.map((name, at) => ({
    namespace: textAt(namespaces, at),
    application: textAt(applications, at),
    name,
    digest: digests.subarray(DIGEST_BYTES * at, DIGEST_BYTES * (at + 1)),
    state: textAt(states, at) as DeclaredCredential['state'],
    notBeforeMs: timeAt(notBefore, at),
    notAfterMs: timeAt(notAfter, at),
    rules: rules.get(at) ?? NO_RULES,
  }));
}

function timeAt(times: Float64Array, at: number): number | null {
  const ms = times[at] ?? Number.NaN;
  return Number.isNaN(ms) ? null : ms;
}

function packGroup({ group, policy, records }: CompiledGroup): PackedGroup {
  const bodies = new Uint8Array(records.reduce((sum, { body }) => sum + body.length, 0));
  const kinds = new Uint8Array(records.length);
  const ids = new Float64Array(records.length);
  const lengths = new Uint32Array(records.length);
  let at = 0;
  let from = 0;
  for (const { kind, id, body } of records) {
    kinds[at] = kind;
    ids[at] = id;
    lengths[at] = body.length;
    bodies.set(body, from);
    from += body.length;
    at += 1;
  }
  return { group, policy, kinds, ids, lengths, bodies };
}

function unpackGroup(packed: PackedGroup): CompiledGroup {
  const { group, policy, kinds, ids, lengths, bodies } = packed;
  const records: CompiledRecord[] = [];
  let from = 0;
  for (let at = 0; at < lengths.length; at++) {
    const until = from + (lengths[at] ?? 0);
    const body = bodies.subarray(from, until);
    records.push({ kind: (kinds[at] ?? 0) as RecordKind, id: ids[at] ?? 0, body });
    from = until;
  }
  return { group, policy, records };
}
