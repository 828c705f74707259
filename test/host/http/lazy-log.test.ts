/** A request's logger costs nothing until it is written to, and keeps the request's id then. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import pino from 'pino';
import { LazyLog } from '../../../host/http/lazy-log.ts';

function logged() {
  const lines: Record<string, unknown>[] = [];
  let children = 0;
  const stream = { write: (line: string) => lines.push(JSON.parse(line)) };
  const parent = pino({ level: 'info', onChild: () => children++ }, stream);
  const log = LazyLog.make(parent, { requestId: 'r-1' }, {});
  return { log, lines, children: () => children };
}

test('a logger nobody writes to makes no child', () => {
  const { log, lines, children } = logged();
  assert.equal(log.level, 'info');
  assert.equal(children(), 0);
  assert.deepEqual(lines, []);
});

test('every line has the bindings, and the child is made once', () => {
  const { log, lines, children } = logged();
  log.warn({ ip: '192.0.2.1' }, 'refused');
  log.error({ err: new Error('no disk') }, 'failed');
  log.debug({}, 'below the level');
  log.child({ part: 'sync' }).info('further down');
  const seen = lines.map(({ requestId, msg, ip, part }) => ({ requestId, msg, ip, part }));
  assert.deepEqual(JSON.parse(JSON.stringify(seen)), [
    { requestId: 'r-1', msg: 'refused', ip: '192.0.2.1' },
    { requestId: 'r-1', msg: 'failed' },
    { requestId: 'r-1', msg: 'further down', part: 'sync' },
  ]);
  // One for the request and the one that was asked for.
  assert.equal(children(), 2);
});
