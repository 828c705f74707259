/**
 * Checks one record of a policy at a time: bounds, order, references, texts and values. The tables
 * it refers to were found to be whole before. A value that this version does not know is refused:
 * a policy half understood would admit what it was to deny.
 */
import {
  BRAND_BYTES_MAX,
  BRANDS_PER_PRODUCT_MAX,
  HEADER_NAME_BYTES_MAX,
  HEADER_TEXT_BYTES_MAX,
  HOST_BYTES_MAX,
  LIMITS_PER_PLAN_MAX,
  NAME_BYTES_MAX,
  ORIGIN_BYTES_MAX,
  ORIGINS_PER_PRODUCT_MAX,
  PARTS_PER_STEP_MAX,
  PREFIX_BYTES_MAX,
  SOURCES_PER_PRODUCT_MAX,
  STEPS_PER_PROGRAM_MAX,
} from '../limits';
import { compareBytes } from '../util/bytes';
import { areSafe } from '../util/frame';
import {
  BRANDS,
  CORS,
  CORS_ANY_ORIGIN,
  CORS_CREDENTIALS,
  Cors,
  FIELDS,
  HOSTS,
  IDENTITY,
  LIMIT_APPROXIMATE,
  LIMIT_EXACT,
  LIMIT_OFF,
  LIMIT_RATE,
  LIMITS,
  Limit,
  LOCAL_SHARE_MAX,
  MEDIATION,
  METHODS,
  Mediation,
  Method,
  NamedNode,
  NODES,
  OPERATIONS,
  Operation,
  ORIGINS,
  Origin,
  OWNER_SUBSCRIPTION,
  PART_CREDENTIAL,
  PART_TEXT,
  PARTS,
  Part,
  PLANS,
  Plan,
  PRODUCTS,
  PROGRAM,
  Product,
  RATE_QUOTA_MAX,
  SOURCE_COOKIE,
  SOURCE_HEADER,
  SOURCES,
  Source,
  STEP_REMOVE,
  STEP_RENAME,
  STEP_SET,
  STRINGS,
  Step,
  TextRecord,
  UNAVAILABLE_LOCAL_SHARE,
  WILDCARDS,
  WINDOW_S_MAX,
} from './layout';
import { countOf, recordOf, textAt } from './policy';

/** Why a record is refused; the code for a report is `refusal` of it. Append only. */
export const REFUSED_SHAPE: u32 = 1;
export const REFUSED_BOUND: u32 = 2;
export const REFUSED_ORDER: u32 = 3;
export const REFUSED_INDEX: u32 = 4;
export const REFUSED_TEXT: u32 = 5;
export const REFUSED_VALUE: u32 = 6;

/** The code, below 0, of a refused section: kind and reason in one number, as reports carry it. */
export function refusal(kind: u32, reason: u32): i32 {
  return -(<i32>(kind * 8 + reason));
}

/** Which bytes a text may hold: any · a name · a header's name · a header's value. */
export const TEXT_ANY: u32 = 0;
const TEXT_NAME: u32 = 1;
const TEXT_HEADER_NAME: u32 = 2;
const TEXT_HEADER_VALUE: u32 = 3;

/** Whether a byte may stand in a text of this class. Names end up in JSON, so no quotes there. */
function isAllowed(byte: u32, kind: u32): bool {
  switch (kind) {
    case TEXT_ANY:
      return true;
    case TEXT_NAME:
      return byte >= 0x20 && byte != 0x7f && byte != 0x22 && byte != 0x5c;
    case TEXT_HEADER_VALUE:
      return (byte >= 0x20 && byte != 0x7f) || byte == 0x09;
    default:
      return isHeaderNameByte(byte);
  }
}

/**
 * The bytes of a field name (RFC 9110), one bit each: `!#$%&'*+-.` and digits, then `^_`, the grave
 * accent, small letters, `|~`. No capitals: names arrive in lower case.
 */
const HEADER_NAME_LOW: u64 = 0x03ff6cfa00000000;
const HEADER_NAME_HIGH: u64 = 0x57ffffffc0000000;

function isHeaderNameByte(byte: u32): bool {
  if (byte > 0x7f) return false;
  const bits = byte < 64 ? HEADER_NAME_LOW : HEADER_NAME_HIGH;
  return ((bits >> (byte & 63)) & 1) != 0;
}

/** What the texts looked at cost since `takeTextCost`, in 64 bytes. */
let textCost: u32 = 0;

/** The cost of the texts looked at since the last call, so that a slice ends in time. */
export function takeTextCost(): u32 {
  const cost = textCost;
  textCost = 0;
  return cost;
}

/** Whether a text lies inside STRINGS, has `least` to `most` bytes and those of its class alone. */
export function checkText(
  policy: usize,
  text: u32,
  length: u32,
  least: u32,
  most: u32,
  kind: u32,
): bool {
  if (length < least || length > most) return false;
  if (<u64>text + length > <u64>countOf(policy, STRINGS)) return false;
  textCost += length >> 6;
  const at = textAt(policy, text);
  for (let i: u32 = 0; i < length; i++) {
    if (!isAllowed(load<u8>(at + i), kind)) return false;
  }
  return true;
}

/** Whether `count` records from `first` on lie inside a table and are `most` at most. */
export function checkRange(policy: usize, kind: u32, first: u32, count: u32, most: u32): bool {
  return count <= most && <u64>first + count <= <u64>countOf(policy, kind);
}

/** Order of two texts of a policy: negative, 0 or positive. */
export function compareTexts(policy: usize, a: u32, aLength: u32, b: u32, bLength: u32): i32 {
  textCost += min(aLength, bLength) >> 6;
  return compareBytes(textAt(policy, a), aLength, textAt(policy, b), bLength);
}

/** Checks the record `index` of a table other than NODES and EDGES; 0 or a refusal. */
export function checkRecord(policy: usize, kind: u32, index: u32): i32 {
  const at = recordOf(policy, kind, index);
  switch (kind) {
    case HOSTS:
    case WILDCARDS:
      return checkHost(policy, kind, index, changetype<NamedNode>(at));
    case METHODS: {
      const known = changetype<Method>(at).operation < countOf(policy, OPERATIONS);
      return known ? 0 : refusal(METHODS, REFUSED_INDEX);
    }
    case OPERATIONS:
      return checkOperation(policy, index, changetype<Operation>(at));
    case PRODUCTS:
      return checkProduct(policy, index, changetype<Product>(at));
    case SOURCES:
      return checkSource(policy, changetype<Source>(at));
    case BRANDS: {
      const brand = changetype<TextRecord>(at);
      return checkText(policy, brand.text, brand.textLength, 1, BRAND_BYTES_MAX, TEXT_ANY)
        ? 0
        : refusal(BRANDS, REFUSED_TEXT);
    }
    case PLANS:
      return checkPlan(policy, index, changetype<Plan>(at));
    case LIMITS:
      return checkLimit(policy, changetype<Limit>(at));
    case PROGRAM:
      return checkStep(policy, changetype<Step>(at));
    case PARTS:
      return checkPart(policy, changetype<Part>(at));
    case MEDIATION: {
      const programs = changetype<Mediation>(at);
      const inside =
        checkProgram(policy, programs.requestFirst, programs.requestCount) &&
        checkProgram(policy, programs.responseFirst, programs.responseCount);
      return inside ? 0 : refusal(MEDIATION, REFUSED_INDEX);
    }
    case FIELDS: {
      const field = changetype<TextRecord>(at);
      const most = HEADER_TEXT_BYTES_MAX;
      return checkText(policy, field.text, field.textLength, 1, most, TEXT_HEADER_VALUE)
        ? 0
        : refusal(FIELDS, REFUSED_TEXT);
    }
    case CORS:
      return checkCors(policy, changetype<Cors>(at));
    case ORIGINS:
      return checkOrigin(policy, changetype<Origin>(at));
    default:
      return checkIdentity(policy, index, changetype<TextRecord>(at));
  }
}

function checkHost(policy: usize, kind: u32, index: u32, host: NamedNode): i32 {
  if (!checkText(policy, host.text, host.textLength, 1, HOST_BYTES_MAX, TEXT_ANY)) {
    return refusal(kind, REFUSED_TEXT);
  }
  if (kind == WILDCARDS && load<u8>(textAt(policy, host.text)) != 0x2e) {
    return refusal(kind, REFUSED_TEXT);
  }
  if (host.node >= countOf(policy, NODES)) return refusal(kind, REFUSED_INDEX);
  if (index == 0) return 0;
  const last = changetype<NamedNode>(recordOf(policy, kind, index - 1));
  const order = compareTexts(policy, last.text, last.textLength, host.text, host.textLength);
  return order < 0 ? 0 : refusal(kind, REFUSED_ORDER);
}

/** Whether the id of a record, its first eight bytes, is not 0 and above the one before. */
function idAscends(policy: usize, kind: u32, index: u32): bool {
  const id = load<u64>(recordOf(policy, kind, index));
  if (id >> 53 != 0) return false;
  return index == 0 ? id != 0 : id > load<u64>(recordOf(policy, kind, index - 1));
}

function checkName(policy: usize, name: u32, length: u32): bool {
  return checkText(policy, name, length, 1, NAME_BYTES_MAX, TEXT_NAME);
}

function checkOperation(policy: usize, index: u32, operation: Operation): i32 {
  if (!idAscends(policy, OPERATIONS, index)) return refusal(OPERATIONS, REFUSED_ORDER);
  if (!checkName(policy, operation.name, operation.nameLength)) {
    return refusal(OPERATIONS, REFUSED_TEXT);
  }
  const inside =
    operation.product < countOf(policy, PRODUCTS) &&
    operation.mediation <= countOf(policy, MEDIATION);
  return inside ? 0 : refusal(OPERATIONS, REFUSED_INDEX);
}

function checkProduct(policy: usize, index: u32, product: Product): i32 {
  if (!idAscends(policy, PRODUCTS, index)) return refusal(PRODUCTS, REFUSED_ORDER);
  if (!checkName(policy, product.name, product.nameLength)) return refusal(PRODUCTS, REFUSED_TEXT);
  const inside =
    checkRange(
      policy,
      SOURCES,
      product.sourceFirst,
      product.sourceCount,
      SOURCES_PER_PRODUCT_MAX,
    ) &&
    checkRange(policy, BRANDS, product.brandFirst, product.brandCount, BRANDS_PER_PRODUCT_MAX) &&
    checkProgram(policy, product.programFirst, product.programCount) &&
    checkProgram(policy, product.responseFirst, product.responseCount) &&
    product.cors <= countOf(policy, CORS);
  return inside ? 0 : refusal(PRODUCTS, REFUSED_INDEX);
}

function checkProgram(policy: usize, first: u32, count: u32): bool {
  return checkRange(policy, PROGRAM, first, count, STEPS_PER_PROGRAM_MAX);
}

function checkHeaderName(policy: usize, name: u32, length: u32): bool {
  return checkText(policy, name, length, 1, HEADER_NAME_BYTES_MAX, TEXT_HEADER_NAME);
}

function checkSource(policy: usize, source: Source): i32 {
  if (source.kind < SOURCE_HEADER || source.kind > SOURCE_COOKIE) {
    return refusal(SOURCES, REFUSED_VALUE);
  }
  const isHeader = source.kind == SOURCE_HEADER;
  const nameClass = isHeader ? TEXT_HEADER_NAME : TEXT_NAME;
  const prefixMost = isHeader ? PREFIX_BYTES_MAX : 0;
  const good =
    checkText(policy, source.name, source.nameLength, 1, HEADER_NAME_BYTES_MAX, nameClass) &&
    checkText(policy, source.prefix, source.prefixLength, 0, prefixMost, TEXT_ANY);
  return good ? 0 : refusal(SOURCES, REFUSED_TEXT);
}

function checkPlan(policy: usize, index: u32, plan: Plan): i32 {
  if (!idAscends(policy, PLANS, index)) return refusal(PLANS, REFUSED_ORDER);
  if (!checkName(policy, plan.name, plan.nameLength)) return refusal(PLANS, REFUSED_TEXT);
  const inside =
    checkRange(policy, LIMITS, plan.limitFirst, plan.limitCount, LIMITS_PER_PLAN_MAX) &&
    plan.mediation <= countOf(policy, MEDIATION) &&
    plan.fields <= countOf(policy, FIELDS);
  return inside ? 0 : refusal(PLANS, REFUSED_INDEX);
}

function checkLimit(policy: usize, limit: Limit): i32 {
  if (limit.id == 0 || !areSafe(changetype<usize>(limit), 2)) return refusal(LIMITS, REFUSED_VALUE);
  if (!checkName(policy, limit.name, limit.nameLength)) return refusal(LIMITS, REFUSED_TEXT);
  const known =
    limit.windowKind - 1 < WINDOW_S_MAX &&
    (limit.class == LIMIT_EXACT
      ? limit.burst == 0
      : limit.class - LIMIT_RATE <= LIMIT_APPROXIMATE - LIMIT_RATE &&
        limit.burst - 1 < (RATE_QUOTA_MAX as u32) &&
        limit.quota <= RATE_QUOTA_MAX) &&
    limit.mode <= LIMIT_OFF &&
    limit.onHostUnavailable <= UNAVAILABLE_LOCAL_SHARE &&
    limit.localShare <= (LOCAL_SHARE_MAX as u16) &&
    limit.owner == OWNER_SUBSCRIPTION;
  return known ? 0 : refusal(LIMITS, REFUSED_VALUE);
}

/** The texts of the parts are checked with PARTS; here only what they come to together. */
function checkStep(policy: usize, step: Step): i32 {
  if (step.op < STEP_SET || step.op > STEP_RENAME) return refusal(PROGRAM, REFUSED_VALUE);
  if (!checkHeaderName(policy, step.name, step.nameLength)) return refusal(PROGRAM, REFUSED_TEXT);
  if (!checkRange(policy, PARTS, step.partFirst, step.partCount, PARTS_PER_STEP_MAX)) {
    return refusal(PROGRAM, REFUSED_INDEX);
  }
  if (step.op == STEP_REMOVE && step.partCount != 0) return refusal(PROGRAM, REFUSED_VALUE);
  if (step.op == STEP_RENAME) return checkRename(policy, step);
  let bytes: u64 = 0;
  for (let i: u32 = 0; i < step.partCount; i++) {
    const part = changetype<Part>(recordOf(policy, PARTS, step.partFirst + i));
    if (part.kind == PART_TEXT) bytes += part.textLength;
  }
  return bytes <= HEADER_TEXT_BYTES_MAX ? 0 : refusal(PROGRAM, REFUSED_BOUND);
}

/** The new name is the one part, a text; that it lies inside the policy is checked here and now. */
function checkRename(policy: usize, step: Step): i32 {
  if (step.partCount != 1) return refusal(PROGRAM, REFUSED_VALUE);
  const part = changetype<Part>(recordOf(policy, PARTS, step.partFirst));
  if (part.kind != PART_TEXT) return refusal(PROGRAM, REFUSED_VALUE);
  const good = checkHeaderName(policy, part.text, part.textLength);
  return good ? 0 : refusal(PROGRAM, REFUSED_TEXT);
}

function checkPart(policy: usize, part: Part): i32 {
  if (part.kind > PART_CREDENTIAL) return refusal(PARTS, REFUSED_VALUE);
  const most = part.kind == PART_TEXT ? HEADER_TEXT_BYTES_MAX : 0;
  return checkText(policy, part.text, part.textLength, 0, most, TEXT_HEADER_VALUE)
    ? 0
    : refusal(PARTS, REFUSED_TEXT);
}

/** All origins together with credentials would let every site act for its visitors. */
function checkCors(policy: usize, cors: Cors): i32 {
  const both = CORS_ANY_ORIGIN | CORS_CREDENTIALS;
  if ((cors.flags & both) == both) return refusal(CORS, REFUSED_VALUE);
  const most = HEADER_TEXT_BYTES_MAX;
  if (!checkText(policy, cors.exposed, cors.exposedLength, 1, most, TEXT_HEADER_VALUE)) {
    return refusal(CORS, REFUSED_TEXT);
  }
  const first = cors.originFirst;
  return checkRange(policy, ORIGINS, first, cors.originCount, ORIGINS_PER_PRODUCT_MAX)
    ? 0
    : refusal(CORS, REFUSED_INDEX);
}

function checkOrigin(policy: usize, origin: Origin): i32 {
  const good =
    checkText(policy, origin.start, origin.startLength, 1, ORIGIN_BYTES_MAX, TEXT_HEADER_VALUE) &&
    checkText(policy, origin.end, origin.endLength, 0, ORIGIN_BYTES_MAX, TEXT_HEADER_VALUE);
  return good ? 0 : refusal(ORIGINS, REFUSED_TEXT);
}

function checkIdentity(policy: usize, index: u32, name: TextRecord): i32 {
  if (!checkHeaderName(policy, name.text, name.textLength)) return refusal(IDENTITY, REFUSED_TEXT);
  const at = textAt(policy, name.text);
  for (let i: u32 = 0; i < name.textLength; i++) {
    if (load<u8>(at + i) == 0x5f) return refusal(IDENTITY, REFUSED_TEXT);
  }
  if (index == 0) return 0;
  const last = changetype<TextRecord>(recordOf(policy, IDENTITY, index - 1));
  const order = compareTexts(policy, last.text, last.textLength, name.text, name.textLength);
  return order < 0 ? 0 : refusal(IDENTITY, REFUSED_ORDER);
}
