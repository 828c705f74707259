/**
 * Reads once what does not change while the VM lives: the secrets of its environment and what the
 * proxy is called. It never logs what it read.
 */
import { keepHopKey } from '../credential/hop';
import { keepMark } from '../pipeline/mark';
import { keepSecret } from '../sync/calls';
import { keepProxy } from '../sync/watch';
import { ascii, asciiEntry, asciiList } from '../util/ascii';
import { equalBytes } from '../util/bytes';
import {
  environ_get,
  environ_sizes_get,
  OK,
  outAddress,
  outAt,
  outLength,
  readProperty,
} from './abi';

const ENVIRONMENT_MAX: u32 = 8_192;
const VARIABLES_MAX: u32 = 64;
function textRoom(): usize {
  return memory.data(8192, 8);
}
const POINTERS: usize = memory.data(64 * 4, 4);
const VARIABLES = asciiList(
  'SIDEGATE_SYNC_SECRET=|SIDEGATE_MARK=|SIDEGATE_HOP_KEY=|SIDEGATE_HOP_KEY_2=|',
);
const NODE_ID = ascii('xds\0node\0id');
const NODE_CLUSTER = ascii('xds\0node\0cluster');

let known: bool = false;

/** Reads everything at the first root of the VM; later calls do nothing. */
export function readSurroundings(): void {
  if (known) return;
  known = true;
  readVariables();
  const hasId = readProperty(NODE_ID);
  const id = outAddress();
  const idLength = hasId ? outLength() : 0;
  const hasCluster = readProperty(NODE_CLUSTER);
  keepProxy(id, idLength, outAddress(), hasCluster ? outLength() : 0);
}

function readVariables(): void {
  if (environ_sizes_get(outAt(), outAt() + 4) != OK) return;
  const count = load<u32>(outAt());
  if (count > VARIABLES_MAX || outLength() > ENVIRONMENT_MAX) return;
  if (environ_get(POINTERS, textRoom()) != OK) return;
  for (let i: u32 = 0; i < count; i++) {
    const at = load<u32>(POINTERS + i * 4) as usize;
    let length: u32 = 0;
    while (load<u8>(at + length) != 0) length++;
    for (let name: u32 = 0; name < 4; name++) {
      const entry = asciiEntry(VARIABLES, name);
      const begins: u32 = load<u8>(entry);
      if (length <= begins || !equalBytes(at, entry + 1, begins)) continue;
      keepVariable(name, at + begins, length - begins);
    }
  }
}

function keepVariable(name: u32, at: usize, length: u32): void {
  if (name == 0) keepSecret(at, length);
  else if (name == 1) keepMark(at, length);
  else keepHopKey(name - 2, at, length);
}
