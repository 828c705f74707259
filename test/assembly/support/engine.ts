/**
 * An engine for specs: one of its own each time, made the way a root makes it.
 */
import { readBootstrap } from '../../../assembly/bootstrap/bootstrap';
import { addRoot, configureRoot, rootAt } from '../../../assembly/engine/roots';
import { Engine, engineAt } from '../../../assembly/engine/state';
import { Text } from './bytes';

let made = 0;

/** A fresh engine with one living root. */
export function newTestEngine(nowMs: u64 = 1000): Engine {
  made++;
  const config = new Text('{"clusters":["a","b"],"authority":"spec-' + made.toString() + '"}');
  readBootstrap(config.at, config.length);
  const root = rootAt(addRoot(100000 + made, nowMs));
  configureRoot(root, 0x1234567890abcdef + (made as u64), 0xfedcba0987654321, nowMs);
  return engineAt(root.engine);
}
