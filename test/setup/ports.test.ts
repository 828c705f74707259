/**
 * Holds the quickstart to a sentence, and not a stack, when its ports cannot be used.
 */
import assert from 'node:assert/strict';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { checkPortsFree, PORT_BASE, planPorts } from '../../envoy/quickstart/ports.ts';

// Guarantees that one variable moves every port and none is forgotten.
test('SIDEGATE_PORT_BASE moves all ports', () => {
  const { base, ...ports } = planPorts('20000');
  assert.equal(base, 20_000);
  assert.deepEqual(Object.values(ports), [20_000, 20_001, 20_002, 20_003, 20_004]);
  assert.equal(planPorts(undefined).proxy, PORT_BASE);
});

// Guarantees that a base that leads nowhere is named with its bounds.
test('a base that is no usable number is refused', () => {
  for (const bad of ['eighty', '80', '65532', '-1', '18080.5']) {
    assert.throws(() => planPorts(bad), /SIDEGATE_PORT_BASE is ".*"; .* 1024 to 65531/);
  }
});

// Guarantees that a taken port is named together with what wanted it and the way round.
test('a taken port is named with the fix', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const plan = planPorts(String(port));
  await assert.rejects(checkPortsFree(plan), (error: Error) => {
    assert.match(error.message, new RegExp(`port ${port} \\(the proxy\\) is taken`));
    assert.match(error.message, /SIDEGATE_PORT_BASE=\d+ npm start/);
    return true;
  });
  await new Promise((resolve) => server.close(resolve));
});
