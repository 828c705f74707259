/**
 * An engine for specs: one of its own each time, made the way a root makes it. A VM has room for a
 * few, so that the sixth takes the first one's place.
 */
import { readBootstrap } from '../../../assembly/bootstrap/bootstrap';
import {
  addRoot,
  configureRoot,
  deleteRoot,
  findRoot,
  rootAt,
} from '../../../assembly/engine/roots';
import { Engine, engineAt } from '../../../assembly/engine/state';
import { Text } from './bytes';

const KEPT = 6;
let made = 0;

/** A fresh engine with one living root. */
export function newTestEngine(nowMs: u64 = 1000): Engine {
  made++;
  const oldest = findRoot(100000 + made - KEPT);
  if (oldest != 0) deleteRoot(rootAt(oldest));
  const config = new Text('{"clusters":["a","b"],"authority":"spec-' + made.toString() + '"}');
  readBootstrap(config.at, config.length);
  const root = rootAt(addRoot(100000 + made, nowMs));
  configureRoot(root, 0x1234567890abcdef + (made as u64), 0xfedcba0987654321, nowMs);
  return engineAt(root.engine);
}
