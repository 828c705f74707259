/**
 * Reads a policy (docs/wire.md, section 3) into plain objects, for tests, for explanations and for
 * the terms of accounts. It checks frame, bounds and references and must never decide a request.
 */
import { NONE } from './bytes.ts';
import { POLICY_BYTES_MAX } from './manifest.ts';
import { type PolicyCors, type PolicyOrigin, readCors, readOrigin } from './policy-cors.ts';
import { danglingOf } from './policy-references.ts';
import {
  type ByteReader,
  type Decoded,
  readMessage,
  readSection,
  readTable,
  refuse,
  type Sections,
} from './reader.ts';

const MAGIC = 'SGPO';
const WINDOW_SECONDS_MAX = 86_400;
const SOURCE_MTLS = 4;
const SOURCE_JWT = 5;
const STEP_OP_MAX = 6;
/** Highest quota of a limit that is not exact: what a level in fractions of units can hold. */
const RATE_QUOTA_MAX = 1_000_000_000;
const LOCAL_SHARE_MAX = 1_000;

/** A range of records in another table. */
export interface Range {
  readonly first: number;
  readonly count: number;
}

/** A name that leads to a node; a wildcard keeps its leading dot. */
export interface NamedNode {
  readonly name: string;
  readonly node: number;
}

/** A node of the tree of path templates. */
export interface PolicyNode {
  readonly edges: Range;
  /** Index of the child for one segment of any text, or undefined. */
  readonly anyNode: number | undefined;
  readonly methods: Range;
  readonly restMethods: Range;
  /** Index of the product whose base path ends here, or undefined. */
  readonly product: number | undefined;
}

export interface PolicyOperation {
  readonly id: number;
  readonly name: string;
  /** Index of the product. */
  readonly product: number;
  readonly cost: number;
  readonly anonymous: boolean;
  /** Index of its header programs, or undefined. */
  readonly mediation: number | undefined;
}

export interface PolicyProduct {
  readonly id: number;
  readonly name: string;
  readonly ownKeyFormat: boolean;
  readonly passUnmatched: boolean;
  readonly denyStale: boolean;
  /** 0 enforce, 1 shadow, 2 off. */
  readonly mode: number;
  readonly countsResponses: boolean;
  readonly sources: Range;
  /** Ways to know a caller without a key; they follow the places of keys. */
  readonly identities: Range;
  readonly brands: Range;
  readonly program: Range;
  readonly responseProgram: Range;
  readonly standardFields: boolean;
  readonly legacyFields: boolean;
  /** Index of what it says of CORS, or undefined. */
  readonly cors: number | undefined;
}

/** A place of keys: kind 1 header, 2 query, 3 cookie; or 4 the peer's certificate, 5 a token. */
export interface PolicySource {
  readonly kind: number;
  /** Of a token, the claim. */
  readonly name: string;
  /** Of a token, its issuer. */
  readonly prefix: string;
  /** Of a token, of which it must name one. */
  readonly audiences: Range;
}

export interface PolicyPlan {
  readonly id: number;
  readonly name: string;
  readonly limits: Range;
  /** Index of its header programs, or undefined. */
  readonly mediation: number | undefined;
  /** Index of its `RateLimit-Policy`, or undefined. */
  readonly field: number | undefined;
}

/** A limit; class, mode and the rest are the numbers of docs/wire.md. */
export interface PolicyLimit {
  readonly id: number;
  /** Units per window. */
  readonly quota: number;
  readonly name: string;
  readonly windowKind: number;
  readonly class: number;
  readonly mode: number;
  readonly onHostUnavailable: number;
  readonly owner: number;
  /** Most units at one instant; 0 for class exact. */
  readonly burst: number;
  /** Thousandths of the quota to go on with while there is no word from the host. */
  readonly localShare: number;
}

/** The header programs of a plan or an operation. */
export interface PolicyMediation {
  readonly request: Range;
  readonly response: Range;
}

/** One step of a header program. */
export interface PolicyStep {
  readonly op: number;
  readonly name: string;
  readonly parts: Range;
}

export interface PolicyPart {
  readonly kind: number;
  readonly text: string;
}

/** A policy, table by table. */
export interface Policy {
  readonly proxyGroup: number;
  readonly anyHostNode: number | undefined;
  readonly hosts: readonly NamedNode[];
  readonly wildcards: readonly NamedNode[];
  readonly nodes: readonly PolicyNode[];
  readonly edges: readonly NamedNode[];
  readonly methods: readonly { readonly mask: number; readonly operation: number }[];
  readonly operations: readonly PolicyOperation[];
  readonly products: readonly PolicyProduct[];
  readonly sources: readonly PolicySource[];
  readonly brands: readonly string[];
  readonly plans: readonly PolicyPlan[];
  readonly limits: readonly PolicyLimit[];
  readonly program: readonly PolicyStep[];
  readonly parts: readonly PolicyPart[];
  readonly identity: readonly string[];
  readonly mediation: readonly PolicyMediation[];
  /** Values of `RateLimit-Policy`. */
  readonly fields: readonly string[];
  readonly cors: readonly PolicyCors[];
  readonly origins: readonly PolicyOrigin[];
  readonly audiences: readonly string[];
}

/** The tables of a policy but for ROOT and STRINGS, in the order of their kinds. */
const TABLES = {
  hosts: { kind: 3, bytes: 12, most: 1_024, read: readNamedNode },
  wildcards: { kind: 4, bytes: 12, most: 1_024, read: readNamedNode },
  nodes: { kind: 5, bytes: 32, most: 65_535, read: readNode },
  edges: { kind: 6, bytes: 12, most: 65_535, read: readNamedNode },
  methods: { kind: 7, bytes: 8, most: 16_384, read: readMethod },
  operations: { kind: 8, bytes: 32, most: 16_384, read: readOperation },
  products: { kind: 9, bytes: 64, most: 1_024, read: readProduct },
  sources: { kind: 10, bytes: 32, most: 16 * 1_024, read: readSource },
  brands: { kind: 11, bytes: 8, most: 8 * 1_024, read: readText },
  plans: { kind: 12, bytes: 32, most: 1_024, read: readPlan },
  limits: { kind: 13, bytes: 40, most: 8 * 1_024, read: readLimit },
  program: { kind: 14, bytes: 24, most: 64 * 1_024, read: readStep },
  parts: { kind: 15, bytes: 12, most: 16 * 64 * 1_024, read: readPart },
  identity: { kind: 16, bytes: 8, most: 256, read: readText },
  mediation: { kind: 20, bytes: 16, most: 17_408, read: readMediation },
  fields: { kind: 21, bytes: 8, most: 1_024, read: readText },
  cors: { kind: 22, bytes: 20, most: 1_024, read: readCors },
  origins: { kind: 23, bytes: 16, most: 64 * 1_024, read: readOrigin },
  audiences: { kind: 26, bytes: 8, most: 16 * 16 * 1_024, read: readText },
} as const;

/** Tables of higher kinds are left out when they have no records. */
const ALWAYS_KIND_MAX = 16;

type Tables = {
  -readonly [Name in keyof typeof TABLES]: ReturnType<(typeof TABLES)[Name]['read']>[];
};

/** Reads a reference into STRINGS; a reference beyond it fails the reader. */
type Strings = (reader: ByteReader) => string;

/** Reads a whole policy whose references all lie inside it. */
export function decodePolicy(bytes: Uint8Array): Decoded<Policy> {
  if (bytes.length > POLICY_BYTES_MAX) return refuse('wrong_length', 'policy');
  const kinds = [1, 2, ...Object.values(TABLES).map(({ kind }) => kind)];
  const sections = readMessage(bytes, MAGIC, kinds);
  if (!sections.ok) return sections;
  const root = readSection(sections.value, 1, (reader) => {
    const proxyGroup = reader.safe();
    const anyHostNode = readIndex(reader);
    reader.skip(4);
    return { proxyGroup, anyHostNode };
  });
  if (!root.ok) return root;
  const strings = sections.value.get(2);
  if (strings === undefined) return refuse('missing_section', 'section 2');
  const tables = readTables(sections.value, stringsOf(strings));
  if (!tables.ok) return tables;
  const policy: Policy = { ...root.value, ...tables.value };
  const wrong = danglingOf(policy);
  return wrong === undefined ? { ok: true, value: policy } : refuse('wrong_value', wrong);
}

function readTables(sections: Sections, strings: Strings): Decoded<Tables> {
  const tables: Record<string, unknown[]> = {};
  for (const [name, { kind, bytes, most, read }] of Object.entries(TABLES)) {
    if (kind > ALWAYS_KIND_MAX && !sections.has(kind)) {
      tables[name] = [];
      continue;
    }
    const table = readTable<unknown>(sections, kind, bytes, most, (reader) =>
      read(reader, strings),
    );
    if (!table.ok) return table;
    tables[name] = table.value;
  }
  return { ok: true, value: tables as unknown as Tables };
}

function stringsOf(bytes: Uint8Array): Strings {
  const decoder = new TextDecoder();
  return (reader) => {
    const offset = reader.u32();
    const length = reader.u32();
    if (offset + length > bytes.length) {
      reader.fail('wrong_value');
      return '';
    }
    return decoder.decode(bytes.subarray(offset, offset + length));
  };
}

function readIndex(reader: ByteReader): number | undefined {
  const index = reader.u32();
  return index === NONE ? undefined : index;
}

/** A place is an index plus 1; 0 stands for none. */
function readPlace(reader: ByteReader): number | undefined {
  const place = reader.u32();
  return place === 0 ? undefined : place - 1;
}

function readRange(reader: ByteReader): Range {
  return { first: reader.u32(), count: reader.u32() };
}

function readNamedNode(reader: ByteReader, text: Strings): NamedNode {
  return { name: text(reader), node: reader.u32() };
}

function readNode(reader: ByteReader): PolicyNode {
  const edges = readRange(reader);
  const anyNode = readIndex(reader);
  const restFirst = reader.u32();
  const methodFirst = reader.u32();
  const methodCount = reader.u16();
  const restCount = reader.u16();
  const product = readIndex(reader);
  reader.skip(4);
  const methods = { first: methodFirst, count: methodCount };
  return { edges, anyNode, methods, restMethods: { first: restFirst, count: restCount }, product };
}

function readMethod(reader: ByteReader): { mask: number; operation: number } {
  return { mask: reader.u32(), operation: reader.u32() };
}

function readOperation(reader: ByteReader, text: Strings): PolicyOperation {
  const id = reader.safe();
  const name = text(reader);
  const product = reader.u32();
  const cost = reader.u32();
  const flags = reader.u32();
  const mediation = readPlace(reader);
  return { id, name, product, cost, anonymous: (flags & 1) !== 0, mediation };
}

function readProduct(reader: ByteReader, text: Strings): PolicyProduct {
  const id = reader.safe();
  const name = text(reader);
  const flags = reader.u32();
  const sources = readRange(reader);
  const brands = readRange(reader);
  const program = readRange(reader);
  const identities = { first: sources.first + sources.count, count: reader.u32() };
  const responseProgram = readRange(reader);
  const cors = readPlace(reader);
  reader.skip(4);
  return {
    id,
    name,
    ownKeyFormat: (flags & 1) !== 0,
    passUnmatched: (flags & 2) !== 0,
    denyStale: (flags & 4) !== 0,
    mode: (flags >> 8) & 3,
    countsResponses: (flags & 0x400) !== 0,
    sources,
    identities,
    brands,
    program,
    responseProgram,
    standardFields: (flags & 0x20) !== 0,
    legacyFields: (flags & 0x40) !== 0,
    cors,
  };
}

function readSource(reader: ByteReader, text: Strings): PolicySource {
  const kind = reader.u32();
  const name = text(reader);
  const prefix = text(reader);
  const audiences = readRange(reader);
  reader.skip(4);
  const isKey = kind >= 1 && kind < SOURCE_MTLS;
  const hasPrefix = prefix !== '' && kind !== 1;
  const wrong = isKey ? hasPrefix : kind > SOURCE_JWT || (kind === SOURCE_JWT) !== hasPrefix;
  if (wrong || kind < 1) reader.fail('wrong_value');
  return { kind, name, prefix, audiences };
}

function readText(reader: ByteReader, text: Strings): string {
  return text(reader);
}

function readPlan(reader: ByteReader, text: Strings): PolicyPlan {
  const id = reader.safe();
  const name = text(reader);
  const limits = readRange(reader);
  const mediation = readPlace(reader);
  const field = readPlace(reader);
  return { id, name, limits, mediation, field };
}

function readLimit(reader: ByteReader, text: Strings): PolicyLimit {
  const limit = {
    id: reader.safe(),
    quota: reader.safe(),
    name: text(reader),
    windowKind: reader.u32(),
    class: reader.u8(),
    mode: reader.u8(),
    onHostUnavailable: reader.u8(),
    owner: reader.u8(),
    burst: reader.u32(),
    localShare: reader.u16(),
  };
  reader.skip(2);
  const { windowKind, mode, onHostUnavailable, owner } = limit;
  const known = mode <= 2 && onHostUnavailable <= 2 && owner === 0 && classIsRight(limit);
  if (!known || windowKind < 1 || windowKind > WINDOW_SECONDS_MAX) reader.fail('wrong_value');
  return limit;
}

/** An exact limit has no burst; the others have one, and amounts that a level can hold. */
function classIsRight({ class: limitClass, quota, burst, localShare }: PolicyLimit): boolean {
  if (localShare > LOCAL_SHARE_MAX) return false;
  if (limitClass === 1) return burst === 0;
  return (
    (limitClass === 2 || limitClass === 3) &&
    quota <= RATE_QUOTA_MAX &&
    burst >= 1 &&
    burst <= RATE_QUOTA_MAX
  );
}

function readStep(reader: ByteReader, text: Strings): PolicyStep {
  const op = reader.u32();
  const name = text(reader);
  const parts = readRange(reader);
  reader.skip(4);
  if (op < 1 || op > STEP_OP_MAX) reader.fail('wrong_value');
  return { op, name, parts };
}

function readMediation(reader: ByteReader): PolicyMediation {
  return { request: readRange(reader), response: readRange(reader) };
}

function readPart(reader: ByteReader, text: Strings): PolicyPart {
  const kind = reader.u32();
  if (kind > 5) reader.fail('wrong_value');
  return { kind, text: text(reader) };
}
