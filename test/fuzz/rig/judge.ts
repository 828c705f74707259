/**
 * Holds what the filter made of a request to what the oracle says: the same reason, the same
 * headers, and nothing on the wire that is no legal HTTP. Answers what is wrong, in words.
 */
import type { Pair, Stream } from '../../../host/emulator/index.ts';
import { SECONDS, TOLD, withoutSeconds } from '../oracle/answers.ts';
import type { Verdict } from '../oracle/oracle.ts';
import { type Played, SERVICE } from './scene.ts';

const TOKEN = /^:?[!#$%&'*+\-.^_`|~0-9a-z]+$/;
/** What a value may hold: no control character but a tab (RFC 9110, section 5.5). */
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
/** The filter state stands in text and JSON logs: it holds no quote, backslash or control. */
const STATE = /^[a-z]+=[!#-[\]-~\x80-\xff]+( [a-z]+=[!#-[\]-~\x80-\xff]+)*$/;

/** What is wrong with a request that was played, or undefined if nothing is. */
export function judge(played: Played): string | undefined {
  const { stream, verdict, left, sent, state } = played;
  const { failure } = stream.vm;
  if (failure !== undefined) return `trap in ${failure.in}: ${failure.message}`;
  const reason = /(?:^| )reason=(\w+)/.exec(state)?.[1];
  if (verdict.vague) {
    const fits = reason === 'allowed' || reason?.startsWith('quota_');
    return fits ? undefined : `${reason}, expected allowed or a matter of quota`;
  }
  const expected = verdict.denial === undefined || verdict.shadow ? 'continued' : 'replied';
  if (reason !== verdict.reason || stream.outcome !== expected) {
    return `${stream.outcome} ${reason}, expected ${expected} ${verdict.reason}`;
  }
  if (!STATE.test(state)) return `filter state ${JSON.stringify(state)}`;
  if (state.includes(' shadow=true') !== verdict.shadow) return `filter state ${state}`;
  return (
    headerDifference(left, verdict.headers) ??
    illegalOf(left, sent) ??
    (verdict.denial === undefined || verdict.shadow
      ? responseFault(played)
      : (answerFault(stream, verdict) ?? toldFault(played)))
  );
}

/** Seconds by which the end of a window may be told late, and those of the longest window. */
const LATE_S = 61;
const DAY_S = 86_400;

/** What is wrong with the service's answer as the caller gets it. */
function responseFault({ verdict, answered }: Played): string | undefined {
  const wanted = verdict.answers?.(SERVICE) ?? SERVICE;
  const { headers, seconds } = withoutSeconds(answered);
  const isTold = wanted.some(([, value]) => value.endsWith(SECONDS));
  if (!isTold) return headerDifference(answered, wanted);
  return headerDifference(headers, wanted) ?? secondsFault(seconds);
}

/** What is wrong with the fields of a denial that tell of limits and of CORS. */
function toldFault({ verdict, answered }: Played): string | undefined {
  const { headers, seconds } = withoutSeconds(answered.filter(([name]) => TOLD.test(name)));
  return headerDifference(headers, verdict.told ?? []) ?? secondsFault(seconds);
}

function secondsFault(seconds: readonly number[]): string | undefined {
  const isWrong = (each: number) => each < 1 || each > DAY_S + LATE_S;
  if (seconds.some(isWrong)) return `seconds ${seconds}`;
  return new Set(seconds).size > 1 ? `two words about one end: ${seconds}` : undefined;
}

/**
 * Headers with all values of a name as one list, as any recipient may read them (RFC 9110, 5.3): a
 * proxy that joins some names early and a filter that has not seen it write commas differently.
 */
function listsOf(pairs: readonly Pair[]): string {
  const lists = Map.groupBy(pairs, ([name]) => name);
  const joined = [...lists].map(([name, values]) => {
    return [name, values.map(([, value]) => value.replace(/ *, */g, ',')).join(',')];
  });
  return JSON.stringify(joined.sort());
}

function headerDifference(got: readonly Pair[], wanted: readonly Pair[]): string | undefined {
  const lines = (pairs: readonly Pair[]) => pairs.map((pair) => JSON.stringify(pair)).sort();
  const [gotLines, wantedLines] = [lines(got), lines(wanted)];
  if (gotLines.join() === wantedLines.join()) return undefined;
  if (listsOf(got) === listsOf(wanted)) return undefined;
  const extra = gotLines.filter((line) => !wantedLines.includes(line));
  const missing = wantedLines.filter((line) => !gotLines.includes(line));
  return `headers: also ${extra.join(' ')}, not ${missing.join(' ')}`.slice(0, 2_000);
}

/** A header that is no legal HTTP, though every one that was sent is. */
function illegalOf(left: readonly Pair[], sent: readonly Pair[]): string | undefined {
  const isIllegal = ([name, value]: Pair) => !TOKEN.test(name) || !VALUE.test(value);
  const bad = sent.some(isIllegal) ? undefined : left.find(isIllegal);
  return bad && `illegal header ${JSON.stringify(bad)}`;
}

function answerFault(stream: Stream, { reason, denial, limit, product }: Verdict) {
  const { answer, localResponse } = stream;
  if (!answer || !localResponse || !denial) return 'no answer';
  const details = `sidegate_${reason}${limit === undefined ? '' : `{limit=${limit}}`}`;
  if (stream.details !== details) return `details ${stream.details}, expected ${details}`;
  const values = (name: string) => answer.headers.filter(([other]) => other === name);
  const value = (name: string) => values(name)[0]?.[1];
  const illegal = answer.headers.find(([name, text]) => !TOKEN.test(name) || !VALUE.test(text));
  if (illegal) return `illegal response header ${JSON.stringify(illegal)}`;
  if (answer.headers.some(([name]) => values(name).length > 1)) return 'a response header twice';
  const isGrpc = value('grpc-status') !== undefined;
  if (answer.status !== (isGrpc ? 200 : denial.status)) return `status ${answer.status}`;
  if (isGrpc && value('grpc-status') !== String(denial.grpc)) return 'gRPC status';
  const challenge = denial.status === 401 ? `ApiKey realm="${product}"` : undefined;
  if (value('www-authenticate') !== challenge) return `challenge ${value('www-authenticate')}`;
  const retry = denial.status === 429 || denial.status === 503;
  if (retry !== /^[1-9]\d*$/.test(value('retry-after') ?? '')) return 'retry-after';
  return isGrpc ? undefined : bodyFault(localResponse.body, value('content-type'), reason, denial);
}

function bodyFault(
  body: string,
  type: string | undefined,
  reason: string,
  { status }: { status: number },
): string | undefined {
  if (type !== 'application/problem+json') return `content type ${type}`;
  try {
    const problem = JSON.parse(body);
    // A malformed key is told from an unknown one nowhere but in the log.
    const code = reason === 'key_malformed' ? 'key_unknown' : reason;
    if (problem.status === status && problem.code === code) return undefined;
  } catch {
    // Told below, with the body.
  }
  return `body ${body.slice(0, 200)}`;
}
