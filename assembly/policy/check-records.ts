/**
 * Checks one record of a policy at a time: bounds, order, references, texts and values. The tables
 * it refers to were found to be whole before. A value that this version does not know is refused:
 * a policy half understood would admit what it was to deny.
 */
import {
  AUDIENCES_PER_SOURCE_MAX,
  BRAND_BYTES_MAX,
  BRANDS_PER_PRODUCT_MAX,
  CLAIM_NAME_BYTES_MAX,
  HEADER_NAME_BYTES_MAX,
  HEADER_TEXT_BYTES_MAX,
  HOST_BYTES_MAX,
  LIMITS_PER_PLAN_MAX,
  NAME_BYTES_MAX,
  ORIGIN_BYTES_MAX,
  ORIGINS_PER_PRODUCT_MAX,
  PARTS_PER_STEP_MAX,
  PREFIX_BYTES_MAX,
  PRINCIPAL_BYTES_MAX,
  SOURCES_PER_PRODUCT_MAX,
  STEPS_PER_PROGRAM_MAX,
} from '../limits';
import { areSafe } from '../util/frame';
import {
  checkRange,
  checkText,
  compareTexts,
  REFUSED_BOUND,
  REFUSED_INDEX,
  REFUSED_ORDER,
  REFUSED_TEXT,
  REFUSED_VALUE,
  Refusal,
  TEXT_ANY,
  TEXT_HEADER_NAME,
  TEXT_HEADER_VALUE,
  TEXT_NAME,
} from './check-texts';
import {
  AUDIENCES,
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
  SOURCE_JWT,
  SOURCES,
  Source,
  STEP_REMOVE,
  STEP_RENAME,
  STEP_SET,
  Step,
  TextRecord,
  UNAVAILABLE_LOCAL_SHARE,
  WILDCARDS,
  WINDOW_S_MAX,
} from './layout';
import { countOf, recordOf, textAt } from './policy';

/** Checks the record `index` of a table other than NODES and EDGES; 0 or a refusal. */
export function checkRecord(policy: usize, kind: u32, index: u32): i32 {
  const at = recordOf(policy, kind, index);
  switch (kind) {
    case HOSTS:
    case WILDCARDS:
      return checkHost(policy, kind, index, changetype<NamedNode>(at));
    case METHODS: {
      const known = changetype<Method>(at).operation < countOf(policy, OPERATIONS);
      return known ? 0 : Refusal.of(METHODS, REFUSED_INDEX);
    }
    case OPERATIONS:
      return checkOperation(policy, index, changetype<Operation>(at));
    case PRODUCTS:
      return checkProduct(policy, index, changetype<Product>(at));
    case SOURCES:
      return checkSource(policy, changetype<Source>(at));
    case BRANDS:
      return checkLone(policy, kind, at, BRAND_BYTES_MAX, TEXT_ANY);
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
      return inside ? 0 : Refusal.of(MEDIATION, REFUSED_INDEX);
    }
    case FIELDS:
      return checkLone(policy, kind, at, HEADER_TEXT_BYTES_MAX, TEXT_HEADER_VALUE);
    case AUDIENCES:
      return checkLone(policy, kind, at, PRINCIPAL_BYTES_MAX, TEXT_HEADER_VALUE);
    case CORS:
      return checkCors(policy, changetype<Cors>(at));
    case ORIGINS:
      return checkOrigin(policy, changetype<Origin>(at));
    default:
      return checkIdentity(policy, index, changetype<TextRecord>(at));
  }
}

/** A record of a table of texts that may stand in any order. */
function checkLone(policy: usize, kind: u32, at: usize, most: u32, bytes: u32): i32 {
  const each = changetype<TextRecord>(at);
  return checkText(policy, each.text, each.textLength, 1, most, bytes)
    ? 0
    : Refusal.of(kind, REFUSED_TEXT);
}

function checkHost(policy: usize, kind: u32, index: u32, host: NamedNode): i32 {
  if (!checkText(policy, host.text, host.textLength, 1, HOST_BYTES_MAX, TEXT_ANY)) {
    return Refusal.of(kind, REFUSED_TEXT);
  }
  if (kind == WILDCARDS && load<u8>(textAt(policy, host.text)) != 0x2e) {
    return Refusal.of(kind, REFUSED_TEXT);
  }
  if (host.node >= countOf(policy, NODES)) return Refusal.of(kind, REFUSED_INDEX);
  if (index == 0) return 0;
  const last = changetype<NamedNode>(recordOf(policy, kind, index - 1));
  const order = compareTexts(policy, last.text, last.textLength, host.text, host.textLength);
  return order < 0 ? 0 : Refusal.of(kind, REFUSED_ORDER);
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
  if (!idAscends(policy, OPERATIONS, index)) return Refusal.of(OPERATIONS, REFUSED_ORDER);
  if (!checkName(policy, operation.name, operation.nameLength)) {
    return Refusal.of(OPERATIONS, REFUSED_TEXT);
  }
  const inside =
    operation.product < countOf(policy, PRODUCTS) &&
    operation.mediation <= countOf(policy, MEDIATION);
  return inside ? 0 : Refusal.of(OPERATIONS, REFUSED_INDEX);
}

function checkProduct(policy: usize, index: u32, product: Product): i32 {
  if (!idAscends(policy, PRODUCTS, index)) return Refusal.of(PRODUCTS, REFUSED_ORDER);
  if (!checkName(policy, product.name, product.nameLength))
    return Refusal.of(PRODUCTS, REFUSED_TEXT);
  const inside =
    checkRange(
      policy,
      SOURCES,
      product.sourceFirst,
      product.sourceCount,
      SOURCES_PER_PRODUCT_MAX,
    ) &&
    checkRange(
      policy,
      SOURCES,
      product.sourceFirst + product.sourceCount,
      product.identityCount,
      SOURCES_PER_PRODUCT_MAX,
    ) &&
    checkRange(policy, BRANDS, product.brandFirst, product.brandCount, BRANDS_PER_PRODUCT_MAX) &&
    checkProgram(policy, product.programFirst, product.programCount) &&
    checkProgram(policy, product.responseFirst, product.responseCount) &&
    product.cors <= countOf(policy, CORS);
  return inside ? 0 : Refusal.of(PRODUCTS, REFUSED_INDEX);
}

function checkProgram(policy: usize, first: u32, count: u32): bool {
  return checkRange(policy, PROGRAM, first, count, STEPS_PER_PROGRAM_MAX);
}

function checkHeaderName(policy: usize, name: u32, length: u32): bool {
  return checkText(policy, name, length, 1, HEADER_NAME_BYTES_MAX, TEXT_HEADER_NAME);
}

function checkSource(policy: usize, source: Source): i32 {
  if (source.kind - SOURCE_HEADER > SOURCE_JWT - SOURCE_HEADER) {
    return Refusal.of(SOURCES, REFUSED_VALUE);
  }
  const audiences = source.audienceCount;
  if (!checkRange(policy, AUDIENCES, source.audienceFirst, audiences, AUDIENCES_PER_SOURCE_MAX)) {
    return Refusal.of(SOURCES, REFUSED_INDEX);
  }
  if (source.kind > SOURCE_COOKIE) return checkIdentitySource(policy, source);
  const isHeader = source.kind == SOURCE_HEADER;
  const nameClass = isHeader ? TEXT_HEADER_NAME : TEXT_NAME;
  const prefixMost = isHeader ? PREFIX_BYTES_MAX : 0;
  const good =
    checkText(policy, source.name, source.nameLength, 1, HEADER_NAME_BYTES_MAX, nameClass) &&
    checkText(policy, source.prefix, source.prefixLength, 0, prefixMost, TEXT_ANY);
  return good ? 0 : Refusal.of(SOURCES, REFUSED_TEXT);
}

/** A certificate says who calls by itself; a token has issuer, claim and audiences. */
function checkIdentitySource(policy: usize, source: Source): i32 {
  const isToken = source.kind == SOURCE_JWT;
  if ((source.audienceCount != 0) != isToken) return Refusal.of(SOURCES, REFUSED_VALUE);
  const least: u32 = isToken ? 1 : 0;
  const claimMost: u32 = isToken ? CLAIM_NAME_BYTES_MAX : 0;
  const issuerMost: u32 = isToken ? PRINCIPAL_BYTES_MAX : 0;
  const good =
    checkText(policy, source.name, source.nameLength, least, claimMost, TEXT_HEADER_VALUE) &&
    checkText(policy, source.prefix, source.prefixLength, least, issuerMost, TEXT_HEADER_VALUE);
  return good ? 0 : Refusal.of(SOURCES, REFUSED_TEXT);
}

function checkPlan(policy: usize, index: u32, plan: Plan): i32 {
  if (!idAscends(policy, PLANS, index)) return Refusal.of(PLANS, REFUSED_ORDER);
  if (!checkName(policy, plan.name, plan.nameLength)) return Refusal.of(PLANS, REFUSED_TEXT);
  const inside =
    checkRange(policy, LIMITS, plan.limitFirst, plan.limitCount, LIMITS_PER_PLAN_MAX) &&
    plan.mediation <= countOf(policy, MEDIATION) &&
    plan.fields <= countOf(policy, FIELDS);
  return inside ? 0 : Refusal.of(PLANS, REFUSED_INDEX);
}

function checkLimit(policy: usize, limit: Limit): i32 {
  if (limit.id == 0 || !areSafe(changetype<usize>(limit), 2))
    return Refusal.of(LIMITS, REFUSED_VALUE);
  if (!checkName(policy, limit.name, limit.nameLength)) return Refusal.of(LIMITS, REFUSED_TEXT);
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
  return known ? 0 : Refusal.of(LIMITS, REFUSED_VALUE);
}

/** The texts of the parts are checked with PARTS; here only what they come to together. */
function checkStep(policy: usize, step: Step): i32 {
  if (step.op < STEP_SET || step.op > STEP_RENAME) return Refusal.of(PROGRAM, REFUSED_VALUE);
  if (!checkHeaderName(policy, step.name, step.nameLength))
    return Refusal.of(PROGRAM, REFUSED_TEXT);
  if (!checkRange(policy, PARTS, step.partFirst, step.partCount, PARTS_PER_STEP_MAX)) {
    return Refusal.of(PROGRAM, REFUSED_INDEX);
  }
  if (step.op == STEP_REMOVE && step.partCount != 0) return Refusal.of(PROGRAM, REFUSED_VALUE);
  if (step.op == STEP_RENAME) return checkRename(policy, step);
  let bytes: u64 = 0;
  for (let i: u32 = 0; i < step.partCount; i++) {
    const part = changetype<Part>(recordOf(policy, PARTS, step.partFirst + i));
    if (part.kind == PART_TEXT) bytes += part.textLength;
  }
  return bytes <= HEADER_TEXT_BYTES_MAX ? 0 : Refusal.of(PROGRAM, REFUSED_BOUND);
}

/** The new name is the one part, a text; that it lies inside the policy is checked here and now. */
function checkRename(policy: usize, step: Step): i32 {
  if (step.partCount != 1) return Refusal.of(PROGRAM, REFUSED_VALUE);
  const part = changetype<Part>(recordOf(policy, PARTS, step.partFirst));
  if (part.kind != PART_TEXT) return Refusal.of(PROGRAM, REFUSED_VALUE);
  const good = checkHeaderName(policy, part.text, part.textLength);
  return good ? 0 : Refusal.of(PROGRAM, REFUSED_TEXT);
}

function checkPart(policy: usize, part: Part): i32 {
  if (part.kind > PART_CREDENTIAL) return Refusal.of(PARTS, REFUSED_VALUE);
  const most = part.kind == PART_TEXT ? HEADER_TEXT_BYTES_MAX : 0;
  return checkText(policy, part.text, part.textLength, 0, most, TEXT_HEADER_VALUE)
    ? 0
    : Refusal.of(PARTS, REFUSED_TEXT);
}

/** All origins together with credentials would let every site act for its visitors. */
function checkCors(policy: usize, cors: Cors): i32 {
  const both = CORS_ANY_ORIGIN | CORS_CREDENTIALS;
  if ((cors.flags & both) == both) return Refusal.of(CORS, REFUSED_VALUE);
  const most = HEADER_TEXT_BYTES_MAX;
  if (!checkText(policy, cors.exposed, cors.exposedLength, 1, most, TEXT_HEADER_VALUE)) {
    return Refusal.of(CORS, REFUSED_TEXT);
  }
  const first = cors.originFirst;
  return checkRange(policy, ORIGINS, first, cors.originCount, ORIGINS_PER_PRODUCT_MAX)
    ? 0
    : Refusal.of(CORS, REFUSED_INDEX);
}

function checkOrigin(policy: usize, origin: Origin): i32 {
  const good =
    checkText(policy, origin.start, origin.startLength, 1, ORIGIN_BYTES_MAX, TEXT_HEADER_VALUE) &&
    checkText(policy, origin.end, origin.endLength, 0, ORIGIN_BYTES_MAX, TEXT_HEADER_VALUE);
  return good ? 0 : Refusal.of(ORIGINS, REFUSED_TEXT);
}

function checkIdentity(policy: usize, index: u32, name: TextRecord): i32 {
  if (!checkHeaderName(policy, name.text, name.textLength))
    return Refusal.of(IDENTITY, REFUSED_TEXT);
  const at = textAt(policy, name.text);
  for (let i: u32 = 0; i < name.textLength; i++) {
    if (load<u8>(at + i) == 0x5f) return Refusal.of(IDENTITY, REFUSED_TEXT);
  }
  if (index == 0) return 0;
  const last = changetype<TextRecord>(recordOf(policy, IDENTITY, index - 1));
  const order = compareTexts(policy, last.text, last.textLength, name.text, name.textLength);
  return order < 0 ? 0 : Refusal.of(IDENTITY, REFUSED_ORDER);
}
