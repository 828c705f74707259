/**
 * What the probe is told to do, case by case, in the emulator and in a real Envoy. The outcome of
 * each case, measured on Envoy, stands in ../measured.json; both are held against it.
 */

/** One request and what the probe shall do with it. */
export interface Case {
  name: string;
  script: string;
  method?: string;
  path?: string;
  headers?: [string, string][];
  /** Headers of upstream's answer, besides its own. */
  answer?: [string, string][];
}

const TWICE: [string, string][] = [
  ['X-Dup', '1'],
  ['x-dup', '2'],
  ['authorization', 'a'],
  ['authorization', 'b'],
  ['Cookie', 'a=1'],
  ['cookie', 'b=2'],
  ['x-empty', ''],
  ['accept', 'x'],
  ['accept', 'y'],
  ['x-api-key', 'k1'],
  ['x-api-key', 'k2'],
  ['x-odd', '\u00e9\u00ff'],
];

const CALL = 'call upstream :path=/q,:method=GET,:authority=u 1000';

/** Names whose second value Envoy joins or keeps apart; each is added twice, both ways. */
export const NAMES = (
  'accept accept-charset accept-encoding accept-language access-control-allow-headers ' +
  'access-control-request-headers access-control-request-method age allow apikey ' +
  'authentication authorization baggage cache-control cdn-loop content-encoding ' +
  'content-language cookie date etag expect expires forwarded from grpc-accept-encoding ' +
  'grpc-timeout if-match if-none-match if-range keep-alive last-modified link location origin ' +
  'pragma prefer priority proxy-authorization proxy-status range ratelimit ratelimit-policy ' +
  'referer retry-after server set-cookie te traceparent tracestate user-agent vary via ' +
  'warning www-authenticate x-api-key x-b3-traceid x-client-trace-id x-consumer ' +
  'x-envoy-attempt-count x-envoy-decorator-operation x-envoy-downstream-service-cluster ' +
  'x-envoy-external-address x-envoy-internal x-envoy-max-retries x-envoy-original-path ' +
  'x-envoy-retry-on x-envoy-upstream-rq-timeout-ms x-envoy-upstream-service-time ' +
  'x-forwarded-client-cert x-forwarded-for x-forwarded-host x-forwarded-port x-frame-options ' +
  'x-ratelimit-limit x-real-ip x-request-id'
).split(' ');

function duplicates(): Case[] {
  const cases: Case[] = [];
  for (let i = 0; i < NAMES.length; i += 8) {
    const names = NAMES.slice(i, i + 8);
    const add = names.map((name) => `add request ${name} one;add request ${name} two`).join(';');
    const pairs = names.map((name) => `${name}=one,${name}=two`).join(',');
    const get = names.map((name) => `get request ${name}`).join(';');
    const script = `request: ${add};${get};reply 200 x -1 b ${pairs}|response: pairs response`;
    cases.push({ name: `duplicates of ${names[0]} to ${names.at(-1)}`, script });
  }
  return cases;
}

const HEADERS: Case[] = [
  { name: 'reads what arrives', script: 'request: pairs request', headers: TWICE },
  {
    name: 'reads the first value',
    script: 'request: get request x-dup;get request X-DUP;get request none;get request x-empty',
    headers: TWICE,
  },
  {
    name: 'edits the request',
    script:
      'request: replace request x-dup 9;add request x-B 4;replace request host h3;' +
      "remove request x-none;remove request x-api-key;add request x-e '';" +
      'replace request :path /zz;pairs request;size request',
    headers: TWICE,
  },
  {
    name: 'joins pseudo headers that are added',
    script:
      'request: add request host h2;get request :authority;get request host;' +
      'replace request host h3;pairs request',
  },
  {
    name: 'sets all pairs',
    script:
      'request: set request x-one=1,:path=/p,:method=GET,:authority=h,x-two=2,X-One=3,' +
      ':scheme=http;pairs request;reply 200 a -1 b',
  },
  {
    name: 'takes 1024 pairs',
    script: 'request: setmany request 1024;get request x-many;reply 200 a -1 b',
  },
  {
    name: 'takes 1025 pairs as none',
    script: 'request: setmany request 1025;get request x-many;pairs request;reply 200 a -1 b',
  },
  {
    name: 'has no such maps in the request phase',
    script:
      'request: pairs response;get response x;add response x 1;remove response x;size response;' +
      'set response x=1;get requestTrailers x;pairs requestTrailers;get call x;pairs call;' +
      'add call x 1;get 8 x;pairs 8;add 8 x 1;replace 8 x 1;remove 8 x;size 8;set 8 x=1',
  },
  {
    name: 'has no request map in the response phase',
    script:
      'response: pairs request;get request x-script;add request x 1;size request;' +
      'pairs response;get response none;get response :status;prop request/path',
  },
  {
    name: 'edits the response',
    script:
      'response: add response x-a 1;add response x-a 2;replace response x-b 3;' +
      'remove response x-up;replace response :status 201;pairs response',
    answer: [
      ['x-up', '1'],
      ['x-b', '1'],
      ['x-b', '2'],
      ['Set-Cookie', 'a'],
      ['set-cookie', 'b'],
    ],
  },
  {
    name: 'reads both maps in the log phase and writes none',
    script:
      'log: get request x-forwarded-proto;get request none;get response :status;' +
      'get response none;add request x 1;add response x 1;size request;' +
      'get requestTrailers x;prop request/path',
  },
];

const REPLIES: Case[] = [
  {
    name: 'answers with details, headers and a body',
    script:
      'request: reply 403 a~b~c -1 no~entry x-r=1,content-type=application/json,x-r=2;' +
      'add request x-a 1|response: pairs response;add response x-z 1;replace response x-r 7|' +
      'log: prop response/code_details;prop response/code',
  },
  {
    name: 'answers without a body',
    script: "request: reply 401 '' -1 '' x=1,content-type=text/x|response: pairs response",
  },
  { name: 'answers 204', script: 'request: reply 204 d -1|response: pairs response' },
  {
    name: 'answers HEAD without the body',
    script: 'request: reply 403 x -1 body|response: pairs response',
    method: 'HEAD',
  },
  {
    name: 'keeps the request readable and writable in the response phase of its own answer',
    script:
      'request: reply 403 x -1 y|response: get request x-forwarded-proto;add request x-n 1;' +
      'get request x-n;prop request/path;prop response/code_details',
  },
  {
    name: 'keeps the first of two answers',
    script: 'request: reply 403 a -1 x;reply 404 b -1 y',
  },
  { name: 'answers whatever it returns', script: 'request: reply 403 a -1 x;return 0' },
  { name: 'replaces the response by an answer', script: 'response: reply 401 zz -1 late x=1' },
  ...[-1, 0, 8, 16, 99].map((status) => ({
    name: `answers gRPC with status ${status}`,
    script:
      `request: reply 429 d ${status} te%xt~x x-r=1,content-type=text/x|` +
      'response: pairs response',
    headers: [['content-type', 'application/grpc+proto']] as [string, string][],
  })),
  ...[400, 401, 403, 404, 429, 500, 502, 503, 504, 200].map((status) => ({
    name: `maps ${status} to a gRPC status`,
    script: `request: reply ${status} d -1|response: pairs response`,
    headers: [['content-type', 'application/grpc']] as [string, string][],
  })),
  {
    name: 'answers grpc-web as plain HTTP',
    script: 'request: reply 429 d 8 text|response: pairs response',
    headers: [['content-type', 'application/grpc-web']],
  },
];

const FLOW: Case[] = [
  { name: 'passes', script: '' },
  { name: 'passes a HEAD', script: '', method: 'HEAD' },
  { name: 'pauses and goes on at once', script: 'request: return 1;continue 0;add request x-a 1' },
  { name: 'goes on without having paused', script: 'request: continue 0;return 0' },
  {
    name: 'is resumed from the answer to a call',
    script:
      `request: ${CALL};effective stream;add request x-1 1;return 1|` +
      'answer: pairs call;buffer 4 0 100;buffer 4 1 100;buffer 4 5 1;bufferstatus 4;status;' +
      'add call x 1;get request x-forwarded-proto;effective stream;' +
      'get request x-forwarded-proto;get call :status;' +
      'add request x-2 2;continue 0;add request x-3 3;get request x-2;pairs request;' +
      'effective 99999|response: add response x-4 4',
  },
  {
    name: 'is answered from the answer to a call',
    script: `request: ${CALL};return 1|answer: effective stream;reply 403 x -1 b`,
  },
  {
    name: 'learns of bad calls at once',
    script:
      'request: call nope :path=/q,:method=GET,:authority=u 1000;' +
      'call empty :path=/q,:method=GET,:authority=u 1000;' +
      'call upstream :path=/q 100;call upstream :method=GET,:authority=u 100;' +
      'call upstream :path=/q,:method=GET,:authority=u 4294967295;status',
  },
  {
    name: 'learns of a refused connection from a 503',
    script:
      'request: call refused :path=/q,:method=GET,:authority=u 1000;return 1|' +
      'answer: pairs call;buffer 4 0 200;status;effective stream;continue 0',
  },
  {
    name: 'learns of a time-out from a 504',
    script:
      'request: call upstream :path=/slow,:method=GET,:authority=u 80;return 1|' +
      'answer: pairs call;buffer 4 0 200;effective stream;continue 0',
  },
];

const STATE: Case[] = [
  {
    name: 'reads properties',
    script:
      'request: prop request/path;prop request/url_path;prop request/host;prop request/method;' +
      'prop request/scheme;prop request/id;prop request/headers/x-dup;prop request/headers/X-Dup;' +
      'prop request/headers/none;prop request/query;prop request/useragent;prop request/referer;' +
      "prop request/nope;prop request/path/x;prop nope;prop request;prop xds;prop '';" +
      'prop plugin_name;prop plugin_root_id;prop plugin_vm_id;prop plugin_name/x;' +
      'prop xds/node/id;prop response/code;prop response/code_details',
    headers: [...TWICE, ['user-agent', 'probe/1']],
  },
  { name: 'reads a path without a query', script: 'request: prop request/query', path: '/plain' },
  {
    name: 'reads the response as properties',
    script:
      'response: prop response/code;prop response/code_details;prop response/headers/x-up|' +
      'log: prop response/code;prop response/code_details;prop response/headers/x-up',
    answer: [['x-up', '1']],
  },
  {
    name: 'keeps filter state',
    script:
      'request: setprop mine v1;prop mine;setprop a.b 2;prop a.b;prop wasm.mine;' +
      'prop filter_state/wasm.mine;prop mine/x|log: prop mine;setprop mine 3;prop mine',
  },
  {
    name: 'keeps metrics',
    script:
      'request: define 0 c1;define 0 c1;inc c1 2;metric c1;inc c1 0;inc c1 -1;record c1 5;' +
      'metric c1;define 1 g1;inc g1 5;inc g1 -7;metric g1;record g1 9;metric g1;define 2 h1;' +
      'record h1 4;metric h1;inc h1 1;metric 400;inc 400 1;record 400 1;define 3 x1;inc 403 1;' +
      'metric 403;record 403 1',
  },
  {
    name: 'keeps shared data',
    script:
      'request: share k v 77;shared k;share k w 77;share k w;shared k;shared none;' +
      "share e '';shared e",
  },
  {
    name: 'answers the odd things',
    script:
      'request: log 6 x;log 5 crit;level;badread;badwrite;foreign nope x;' +
      'foreign clear_route_cache;clock 2;random 65536;random 65537;print 1 hi;print 2 err;' +
      'print 3 no;exit;close 7;continue 9;tick 0;status;effective 0',
  },
  {
    name: 'reads buffers',
    script:
      'request: buffer 0 0 10;buffer 1 0 10;buffer 4 0 10;buffer 6 0 100;buffer 7 0 10;' +
      'buffer 6 3 -1;buffer 6 100 10;buffer 9 0 1;bufferstatus 6;bufferstatus 7;bufferstatus 9',
  },
  {
    name: 'survives a refused allocation',
    script:
      'request: malloc 1;get request x-dup;get request x-empty;get request none;pairs request;' +
      'pairs response;prop plugin_name;shared none;malloc 0;get request x-dup',
    headers: TWICE,
  },
  {
    name: 'may log while it allocates',
    script: 'request: malloc 4;get request x-dup;malloc 0',
    headers: TWICE,
  },
];

/** All cases; their names are unique. */
export const CASES: readonly Case[] = [...HEADERS, ...duplicates(), ...REPLIES, ...FLOW, ...STATE];
