/**
 * The records of a policy as docs/wire.md lays them out, and the head that the filter keeps before
 * the bytes of each policy. Only layout: nothing here reads, checks or decides.
 */

/** The four characters `SGPO`. */
export const POLICY_MAGIC: u32 = 0x4f504753;

/** Kinds of sections. */
export const ROOT: u32 = 1;
export const STRINGS: u32 = 2;
export const HOSTS: u32 = 3;
export const WILDCARDS: u32 = 4;
export const NODES: u32 = 5;
export const EDGES: u32 = 6;
export const METHODS: u32 = 7;
export const OPERATIONS: u32 = 8;
export const PRODUCTS: u32 = 9;
export const SOURCES: u32 = 10;
export const BRANDS: u32 = 11;
export const PLANS: u32 = 12;
export const LIMITS: u32 = 13;
export const PROGRAM: u32 = 14;
export const PARTS: u32 = 15;
export const IDENTITY: u32 = 16;
export const MEDIATION: u32 = 20;
export const FIELDS: u32 = 21;
export const CORS: u32 = 22;
export const ORIGINS: u32 = 23;
export const AUDIENCES: u32 = 26;
/** The highest kind there may be. Those above IDENTITY are left out of a policy when empty. */
export const LAST_KIND: u32 = 29;

/**
 * Bytes before a policy in memory. They hold, once the policy was checked, where each of its
 * tables begins, so that a request finds a record by one multiplication.
 *
 *   0 … 479   per kind (kind × 16): body address, records, bytes of a record, bytes of the body
 *   480       the identity names as a set (bits as `Name.bit` has them)
 *   488       the names of header sources as a set
 *   496       the node for hosts that no product names
 *   500       which kinds of sources there are (bit = kind)
 *   504       which kinds of parts header values are made of (bit = kind)
 */
export const POLICY_HEAD_BYTES: u32 = 512;
export const HEAD_IDENTITY_NAMES: u32 = 480;
export const HEAD_SOURCE_NAMES: u32 = 488;
export const HEAD_ANY_HOST: u32 = 496;
export const HEAD_SOURCE_KINDS: u32 = 500;
export const HEAD_PART_KINDS: u32 = 504;

/** A name and the node it leads to: records of HOSTS, WILDCARDS and EDGES. */
@unmanaged
export class NamedNode {
  text: u32;
  textLength: u32;
  node: u32;
}

/** A node of the tree of path templates. */
@unmanaged
export class Node {
  edgeFirst: u32;
  edgeCount: u32;
  anyNode: u32;
  restMethodFirst: u32;
  methodFirst: u32;
  methodCount: u16;
  restMethodCount: u16;
  product: u32;
  reserved: u32;
}

@unmanaged
export class Method {
  mask: u32;
  operation: u32;
}

@unmanaged
export class Operation {
  id: u64;
  name: u32;
  nameLength: u32;
  product: u32;
  cost: u32;
  flags: u32;
  /** Place of its header programs: index + 1, 0 = none. */
  mediation: u32;
}

/** Flag of an operation: no key is asked for. */
export const OPERATION_ANONYMOUS: u32 = 1;

@unmanaged
export class Product {
  id: u64;
  name: u32;
  nameLength: u32;
  flags: u32;
  sourceFirst: u32;
  sourceCount: u32;
  brandFirst: u32;
  brandCount: u32;
  programFirst: u32;
  programCount: u32;
  /** Ways to know a caller without a key; they follow the places of keys. */
  identityCount: u32;
  responseFirst: u32;
  responseCount: u32;
  /** Place of what it says of CORS; 0 = nothing. */
  cors: u32;
  reserved2: u32;
}

/** Flags of a product: keys have our format · unmatched operations pass · a stale policy denies. */
export const PRODUCT_KEY_FORMAT: u32 = 1;
export const PRODUCT_UNMATCHED_PASS: u32 = 2;
export const PRODUCT_STALE_DENIES: u32 = 4;
/** Flags of a product: RateLimit fields of the IETF draft · `X-RateLimit-…`. */
export const PRODUCT_STANDARD_FIELDS: u32 = 0x20;
export const PRODUCT_LEGACY_FIELDS: u32 = 0x40;
/** Flags of a product: its mode; without either it is enforced. */
export const PRODUCT_SHADOW: u32 = 0x100;
export const PRODUCT_OFF: u32 = 0x200;
/** Flag of a product: its responses are counted by status class and latency. */
export const PRODUCT_RESPONSES: u32 = 0x400;

@unmanaged
export class Source {
  kind: u32;
  name: u32;
  nameLength: u32;
  prefix: u32;
  prefixLength: u32;
  audienceFirst: u32;
  audienceCount: u32;
  reserved: u32;
}

/** Kinds of sources: a request header, a field of the query, a cookie. */
export const SOURCE_HEADER: u32 = 1;
export const SOURCE_QUERY: u32 = 2;
export const SOURCE_COOKIE: u32 = 3;
/** Kinds that bring no key: the peer's certificate; a token (name = claim, prefix = issuer). */
export const SOURCE_MTLS: u32 = 4;
export const SOURCE_JWT: u32 = 5;

/** A lone text: records of BRANDS, IDENTITY, FIELDS and AUDIENCES. */
@unmanaged
export class TextRecord {
  text: u32;
  textLength: u32;
}

@unmanaged
export class Plan {
  id: u64;
  name: u32;
  nameLength: u32;
  limitFirst: u32;
  limitCount: u32;
  /** Place of its header programs: index + 1, 0 = none. */
  mediation: u32;
  /** Place of its `RateLimit-Policy`; 0 = its callers are told nothing. */
  fields: u32;
}

@unmanaged
export class Limit {
  id: u64;
  quota: u64;
  name: u32;
  nameLength: u32;
  windowKind: u32;
  class: u8;
  mode: u8;
  onHostUnavailable: u8;
  owner: u8;
  burst: u32;
  localShare: u16;
  reserved: u16;
}

/** The longest window in seconds; larger kinds are kept for calendars. */
export const WINDOW_S_MAX: u32 = 86_400;
export const LIMIT_EXACT: u8 = 1;
export const LIMIT_RATE: u8 = 2;
export const LIMIT_APPROXIMATE: u8 = 3;
/** Highest quota and burst of a limit that is not exact. */
export const RATE_QUOTA_MAX: u64 = 1_000_000_000;
/** A whole quota in the measure of `localShare`. */
export const LOCAL_SHARE_MAX: u32 = 1_000;
export const LIMIT_ENFORCE: u8 = 0;
export const LIMIT_SHADOW: u8 = 1;
export const LIMIT_OFF: u8 = 2;
export const UNAVAILABLE_DENY: u8 = 0;
export const UNAVAILABLE_ALLOW: u8 = 1;
export const UNAVAILABLE_LOCAL_SHARE: u8 = 2;
export const OWNER_SUBSCRIPTION: u8 = 0;

@unmanaged
export class Step {
  op: u32;
  name: u32;
  nameLength: u32;
  partFirst: u32;
  partCount: u32;
  reserved: u32;
}

export const STEP_SET: u32 = 1;
export const STEP_ADD: u32 = 2;
export const STEP_REMOVE: u32 = 3;
/** From here on a step asks what the header holds already. */
export const STEP_APPEND: u32 = 4;
export const STEP_SET_IF_ABSENT: u32 = 5;
/** Its one part, a text, is the new name. */
export const STEP_RENAME: u32 = 6;

/** The header programs of a plan or an operation. */
@unmanaged
export class Mediation {
  requestFirst: u32;
  requestCount: u32;
  responseFirst: u32;
  responseCount: u32;
}

/** Which sites may read denials, and which of their headers. */
@unmanaged
export class Cors {
  originFirst: u32;
  originCount: u32;
  flags: u32;
  exposed: u32;
  exposedLength: u32;
}

/** Flags of CORS, never both: every origin is allowed · pages may send cookies. */
export const CORS_ANY_ORIGIN: u32 = 1;
export const CORS_CREDENTIALS: u32 = 2;

/** An origin; with an end, every host between start and end is meant. */
@unmanaged
export class Origin {
  start: u32;
  startLength: u32;
  end: u32;
  endLength: u32;
}

@unmanaged
export class Part {
  kind: u32;
  text: u32;
  textLength: u32;
}

/** Kinds of parts: literal text, then what the request's identity gives. */
export const PART_TEXT: u32 = 0;
export const PART_CONSUMER: u32 = 1;
export const PART_APPLICATION: u32 = 2;
export const PART_PLAN: u32 = 3;
export const PART_PRODUCT: u32 = 4;
export const PART_CREDENTIAL: u32 = 5;

/** Bytes of a record of each kind of table, as far as this version reads it. */
export function recordBytes(kind: u32): u32 {
  switch (kind) {
    case HOSTS:
    case WILDCARDS:
    case EDGES:
      return offsetof<NamedNode>();
    case NODES:
      return offsetof<Node>();
    case METHODS:
      return offsetof<Method>();
    case OPERATIONS:
      return offsetof<Operation>();
    case PRODUCTS:
      return offsetof<Product>();
    case SOURCES:
      return offsetof<Source>();
    case PLANS:
      return offsetof<Plan>();
    case LIMITS:
      return offsetof<Limit>();
    case PROGRAM:
      return offsetof<Step>();
    case PARTS:
      return offsetof<Part>();
    case MEDIATION:
    case ORIGINS:
      return offsetof<Mediation>();
    case CORS:
      return offsetof<Cors>();
    default:
      return offsetof<TextRecord>();
  }
}
