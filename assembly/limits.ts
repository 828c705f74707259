/**
 * Every bound of the filter in one place. A table that reaches its bound has a documented answer
 * and a counter; nothing here may depend on traffic. The test build uses small bounds so that its
 * tests can reach them.
 */

/** True in the test build alone (`--use SIDEGATE_TEST=1`); decided by the compiler. */
export const TEST_BUILD: bool = isDefined(SIDEGATE_TEST);

// Memory of a callback.

/** Bytes the proxy may hand over within one callback; beyond them it is refused, and we deny. */
export const ARENA_BYTES: u32 = 262_144;
/** Request headers looked at; a request with more is refused as unreadable. */
export const HEADERS_MAX: u32 = 1_024;
/** Fewest bytes of `SIDEGATE_MARK`, so that nobody guesses it. */
export const MARK_BYTES_MIN: u32 = 16;
/** Most bytes of `SIDEGATE_MARK`. */
export const MARK_BYTES_MAX: u32 = 256;
/** Fewest bytes of `SIDEGATE_HOP_KEY`. */
export const HOP_KEY_BYTES_MIN: u32 = 32;
/** Most bytes of `SIDEGATE_HOP_KEY`. */
export const HOP_KEY_BYTES_MAX: u32 = 256;
/** Milliseconds that a hop token lives. */
export const HOP_LIFE_MS: u64 = 10_000;
/** Milliseconds that two filters may differ by in the time that the host told them. */
export const HOP_SKEW_MS: u64 = 2_000;
/** Principals that a filter takes hop tokens from. */
export const HOP_PRINCIPALS_MAX: u32 = 4;
/** Bytes that a hop token is made of, most of them the path; a request with more has none. */
export const HOP_TEXT_BYTES: u32 = 8_960;
/** Header edits of one request. */
export const EDITS_MAX: u32 = 512;
/** Identity headers of a caller that are removed; a request with more is refused as unreadable. */
export const FORGED_MAX: u32 = 256;
/** Bytes composed for one request: header values, problem body, filter state. */
export const SCRATCH_BYTES: u32 = 65_536;

// Engines, roots and streams of one VM.

/** Bytes of a plugin configuration. */
export const BOOTSTRAP_BYTES_MAX: u32 = 4_096;
/** Hosts of one fleet that a configuration may name. */
export const CLUSTERS_MAX: u32 = 4;
/** Engines of one VM; a further triple finds no policy. */
export const ENGINES_MAX: u32 = 8;
/** Root contexts of one VM, draining ones included. */
export const ROOTS_MAX: u32 = TEST_BUILD ? 8 : 64;
/** Streams with a decision record; further ones are decided without one. */
export const STREAMS_MAX: u32 = TEST_BUILD ? 16 : 4_096;
/** Slots of the map from streams to roots, a power of two. */
export const STREAM_SLOTS: u32 = TEST_BUILD ? 64 : 16_384;
/** Requests held at one time by one engine. */
export const HELD_MAX: u32 = TEST_BUILD ? 8 : 256;
/** Bytes of the headers with keys kept for one held request; longer ones stay in the request. */
export const STASH_BYTES: u32 = 1_024;
/** Requests held at one time for one subscription. */
export const HELD_PER_SUBSCRIPTION_MAX: u32 = TEST_BUILD ? 4 : 64;
/** Held requests decided again in one callback. */
export const RESUMES_MAX: u32 = 64;

// Quota.

/** Accounts of one engine. */
export const HOLDINGS_MAX: u32 = TEST_BUILD ? 16 : 16_384;
/** Accounts an engine has room for when it starts; a power of two. */
export const HOLDINGS_MIN: u32 = TEST_BUILD ? 8 : 256;
/** Ended holdings whose final report waits for its reply. */
export const CLOSING_MAX: u32 = TEST_BUILD ? 8 : 1_024;
/** Limits of a plan. */
export const LIMITS_PER_PLAN_MAX: u32 = 8;
/** Items of one sync call. */
export const SYNC_ITEMS_MAX: u32 = 256;
/** Least milliseconds between two urgent calls of one engine; one carries all accounts now cold. */
export const URGENT_GAP_MS: u32 = TEST_BUILD ? 200 : 20;

// Calls to the host.

/** Bytes of a reply; a longer one is refused unread. */
export const REPLY_BYTES_MAX: u32 = 33_792;
/** Bytes of a policy. */
export const POLICY_BYTES_MAX: u32 = 4_194_304;
/** Bytes of a page of the policy. */
export const POLICY_PAGE_BYTES: u32 = 32_768;

// Work of one callback that no request waits for; more is done at the next tick.

/** Records of a directory page up to which it is applied as it comes. */
export const AT_ONCE_RECORDS: u32 = TEST_BUILD ? 4 : 128;
/** Records of a longer page that are applied. */
export const SLICE_RECORDS: u32 = TEST_BUILD ? 4 : 512;
/** Bytes of a page of the policy that are hashed, a multiple of 64. */
export const SLICE_HASH_BYTES: u32 = TEST_BUILD ? 64 : 3_072;
/** Records of a policy, or as much work on its texts and checksum, that are checked. */
export const SLICE_CHECKS: u32 = TEST_BUILD ? 100 : 400;
/** Entries of the directory that are moved to larger indexes, or swept. */
export const SLICE_ENTRIES: u32 = 500;

// Counters.

/** Rows of the request counter; beyond them the product is `other`. */
export const METRICS_MAX: u32 = TEST_BUILD ? 8 : 256;

// Usage.

/** Rows of usage of one engine; beyond them requests are counted without their subscription. */
export const USAGE_ROWS_MAX: u32 = TEST_BUILD ? 32 : 16_384;
/** Rows of usage an engine has room for when it starts; a power of two. */
export const USAGE_ROWS_MIN: u32 = TEST_BUILD ? 16 : 2_048;
/** Rows kept for requests that found no row of their own, one for each reason and mode. */
export const USAGE_OTHER_KEPT: u32 = TEST_BUILD ? 4 : 128;
/** Rows of usage in one sync call; more follow in the next. */
export const USAGE_ROWS_PER_CALL_MAX: u32 = TEST_BUILD ? 8 : 768;
/** Credentials whose use is to be reported; of further ones the next use is. */
export const USAGE_TOUCHED_MAX: u32 = TEST_BUILD ? 8 : 512;

// Policy: what a policy may hold (docs/wire.md, section 3). One beyond a bound is refused whole.

/** Exact hosts, and as many wildcards. */
export const HOSTS_MAX: u32 = 1_024;
/** Nodes of the trees of path templates, and as many edges. */
export const NODES_MAX: u32 = 65_535;
/** Operations, and as many records of methods. */
export const OPERATIONS_MAX: u32 = 16_384;
/** Methods of one node, templates with and without `**` counted apart. */
export const METHODS_PER_NODE_MAX: u32 = 16;
/** Products. */
export const PRODUCTS_MAX: u32 = 1_024;
/** Places where one product looks for a key. */
export const SOURCES_PER_PRODUCT_MAX: u32 = 16;
/** Brands of one product's keys. */
export const BRANDS_PER_PRODUCT_MAX: u32 = 8;
/** Plans. */
export const PLANS_MAX: u32 = 1_024;
/** Steps of one header program; a product, a plan and an operation have two each. */
export const STEPS_PER_PROGRAM_MAX: u32 = 64;
/** Parts of the value of one step. */
export const PARTS_PER_STEP_MAX: u32 = 16;
/** Identity headers of a proxy group. */
export const IDENTITY_NAMES_MAX: u32 = 256;
/** Bytes of a host. */
export const HOST_BYTES_MAX: u32 = 255;
/** Bytes of a segment of a path template. */
export const SEGMENT_BYTES_MAX: u32 = 255;
/** Bytes of the name of a resource. */
export const NAME_BYTES_MAX: u32 = 253;
/** Bytes of a header's name. */
export const HEADER_NAME_BYTES_MAX: u32 = 256;
/** Bytes of the literal texts of one header together. */
export const HEADER_TEXT_BYTES_MAX: u32 = 4_096;
/** Origins that one product allows by CORS. */
export const ORIGINS_PER_PRODUCT_MAX: u32 = 64;
/** Bytes of an origin. */
export const ORIGIN_BYTES_MAX: u32 = 255;
/** Bytes of a brand. */
export const BRAND_BYTES_MAX: u32 = 32;
/** Bytes of the prefix of a source. */
export const PREFIX_BYTES_MAX: u32 = 64;
/** Audiences that a token may be meant for. */
export const AUDIENCES_PER_SOURCE_MAX: u32 = 16;
/** Bytes of the name of a claim. */
export const CLAIM_NAME_BYTES_MAX: u32 = 64;
/** Bytes of a principal, an issuer, an audience and what a claim says; a longer one is none. */
export const PRINCIPAL_BYTES_MAX: u32 = 255;

// Requests.

/** Segments of a path; one with more is not found. */
export const SEGMENTS_MAX: u32 = 64;
/**
 * Names of sources that the fields of a request that no product governs are compared with. Beyond
 * them a field of the query or a cookie is cut unseen: so a caller cannot buy long comparisons.
 */
export const COMPARISONS_MAX: u32 = 65_536;
/** Bytes of a key; a longer one is malformed, so that a caller cannot buy long hashing. */
export const KEY_BYTES_MAX: u32 = 512;
/** Keys whose digests are remembered by one VM, a power of two; a further one takes a place. */
export const KEY_MEMO_SLOTS: u32 = 2_048;

// Directory: records of all generations together. One beyond a bound leaves the page unapplied.

/** Credentials of one engine. */
export const CREDENTIALS_MAX: u32 = TEST_BUILD ? 32 : 262_144;
/** Applications of one engine. */
export const APPLICATIONS_MAX: u32 = TEST_BUILD ? 16 : 131_072;
/** Subscriptions of one engine. */
export const SUBSCRIPTIONS_MAX: u32 = TEST_BUILD ? 16 : 131_072;
/** Slabs of 64 KiB for the rules of credentials, all generations together. */
export const RULE_SLABS_MAX: u32 = TEST_BUILD ? 1 : 64;
/** Networks one credential may be bound to. */
export const CIDRS_MAX: u32 = 16;
/** Hosts of pages one credential may be bound to. */
export const REFERERS_MAX: u32 = 16;
/** Bytes of the name of a consumer or application. */
export const DIRECTORY_NAME_BYTES_MAX: u32 = 63;
