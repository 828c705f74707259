/**
 * What a case came to, in a form that is the same in a real Envoy and in the emulator: what differs
 * from run to run (times, ports) and what Envoy adds after the filter is left out.
 */
import { readFile } from 'node:fs/promises';
import type { Stream } from '../../../host/emulator/index.ts';
import type { Case } from './cases.ts';
import type { EnvoyRig, WireHeaders } from './envoy-rig.ts';
import { CLUSTER, type Probe } from './probe.ts';

/** The outcome of a case. */
export interface Measured {
  /** What the probe logged, in order, without the word `trace`. */
  trace: string[];
  status: number;
  body: string;
  headers: string[];
  upstream?: { method: string; path: string; headers: string[] };
}

/** The outcomes measured on Envoy, by name of the case. */
export async function readMeasured(): Promise<Record<string, Measured>> {
  const text = await readFile(new URL('../measured.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { cases: Record<string, Measured> }).cases;
}

const AFTER_FILTER = new Set([
  'connection',
  'content-length',
  'date',
  'keep-alive',
  'server',
  'transfer-encoding',
  'x-envoy-expected-rq-timeout-ms',
  'x-envoy-upstream-service-time',
]);

function lines(headers: WireHeaders | readonly (readonly [string, string])[]): string[] {
  const seen = headers.filter(([name]) => !name.startsWith(':') && !AFTER_FILTER.has(name));
  return seen.map(([name, value]) =>
    name === 'x-exchange' ? 'x-exchange: N' : `${name}: ${value}`,
  );
}

function steady(trace: readonly string[]): string[] {
  return trace.map((line) =>
    line
      .replace(/^trace /, '')
      .replace(/x-envoy-upstream-service-time=\d+/g, 'x-envoy-upstream-service-time=0')
      .replace(/x-exchange=\d+/g, 'x-exchange=N')
      .replace(/x-script=.*?(?=,x-forwarded-proto)/g, 'x-script=S')
      .replace(/(size=0)\(\d+\)/g, '$1'),
  );
}

/** Runs a case through a real Envoy; the log lines that belong to it end with `streamdelete`. */
export async function measureInEnvoy(rig: EnvoyRig, item: Case): Promise<Measured> {
  const before = rig.logs().length;
  const headers: WireHeaders = [...(item.headers ?? []), ['x-script', item.script]];
  if (item.answer) headers.push(['x-answer', item.answer.map((pair) => pair.join('=')).join(',')]);
  const exchange = await rig.exchange(item.method ?? 'GET', item.path ?? '/a?b=c', headers);
  const trace = await rig.logsUntil((line) => line.startsWith('trace streamdelete'), before);
  const { upstream } = exchange;
  return {
    trace: steady(trace),
    status: exchange.status,
    body: exchange.body,
    headers: lines(exchange.headers),
    ...(upstream && { upstream: { ...upstream, headers: withoutHost(upstream.headers) } }),
  };
}

function withoutHost(headers: WireHeaders): string[] {
  const host = headers.find(([name]) => name === 'host')?.[1] ?? '';
  return [`host: ${host}`, ...lines(headers.filter(([name]) => name !== 'host'))];
}

const UPSTREAM: [string, string][] = [
  ['connection', 'keep-alive'],
  ['x-envoy-upstream-service-time', '0'],
];

/** Lets the calls of a paused stream come to what they come to in front of the rig's upstream. */
function settle(probe: Probe, stream: Stream): void {
  for (let round = 0; round < 4 && stream.outcome === 'paused'; round++) {
    probe.clock.advance(0);
    for (const call of probe.vm.openCalls) {
      if (call.path === '/slow') probe.clock.advance(call.timeoutMs);
      else if (call.cluster === CLUSTER) {
        const headers: [string, string][] = [['content-length', '2'], ...UPSTREAM];
        call.answer({ status: 200, headers, body: 'ok' });
      }
    }
  }
}

/** Runs a case through the emulator. */
export function measureInEmulator(probe: Probe, item: Case): Measured {
  const before = probe.vm.log.lines.length;
  const method = item.method ?? 'GET';
  const answer: [string, string][] = item.answer
    ? [['x-answer', item.answer.map((pair) => pair.join('=')).join(',')]]
    : [];
  const stream = probe.vm.request({
    headers: [
      [':authority', 'probe.test'],
      [':path', item.path ?? '/a?b=c'],
      [':method', method],
      [':scheme', 'http'],
      ['x-exchange', '1'],
      ...(item.headers ?? []),
      ['x-script', item.script],
      ...answer,
      ['x-forwarded-proto', 'http'],
    ],
  });
  settle(probe, stream);
  if (stream.outcome === 'continued') {
    const up: [string, string][] = [['content-length', '2'], ...(item.answer ?? []), ...UPSTREAM];
    stream.respond({ headers: [[':status', '200'], ...up], body: method === 'HEAD' ? '' : 'ok' });
  }
  stream.end();
  const sent = stream.upstreamHeaders;
  const of = (name: string) => sent?.find(([other]) => other === name)?.[1] ?? '';
  return {
    trace: steady(probe.vm.log.messages.slice(before)),
    status: stream.answer?.status ?? 0,
    body: stream.answer?.body ?? '',
    headers: lines(stream.answer?.headers ?? []),
    ...(sent && {
      upstream: {
        method: of(':method'),
        path: of(':path'),
        headers: [`host: ${of(':authority')}`, ...lines(sent)],
      },
    }),
  };
}
