/**
 * Reads once what does not change while the VM lives: the secret for calls to the host and what the
 * proxy is called. It never logs what it read.
 */
import { keepSecret } from '../sync/calls';
import { keepProxy } from '../sync/watch';
import {
  environ_get,
  environ_sizes_get,
  OK,
  outAddress,
  outAt,
  outLength,
  proxy_get_property,
} from './abi';

const ENVIRONMENT_MAX: u32 = 8_192;
const VARIABLES_MAX: u32 = 64;
const TEXT: usize = memory.data(8192, 8);
const POINTERS: usize = memory.data(64 * 4, 4);
const SECRET_NAME = 'SIDEGATE_SYNC_SECRET=';
/** `xds\0node\0id` and `xds\0node\0cluster`. */
const NODE_ID: usize = memory.data<u8>([
  0x78, 0x64, 0x73, 0, 0x6e, 0x6f, 0x64, 0x65, 0, 0x69, 0x64,
]);
const NODE_CLUSTER: usize = memory.data<u8>([
  0x78, 0x64, 0x73, 0, 0x6e, 0x6f, 0x64, 0x65, 0, 0x63, 0x6c, 0x75, 0x73, 0x74, 0x65, 0x72,
]);

let known: bool = false;

/** Reads everything at the first root of the VM; later calls do nothing. */
export function readSurroundings(): void {
  if (known) return;
  known = true;
  readSecret();
  let id: usize = 0;
  let idLength: u32 = 0;
  if (proxy_get_property(NODE_ID, 11, outAt(), outAt() + 4) == OK) {
    id = outAddress();
    idLength = outLength();
  }
  let cluster: usize = 0;
  let clusterLength: u32 = 0;
  if (proxy_get_property(NODE_CLUSTER, 16, outAt(), outAt() + 4) == OK) {
    cluster = outAddress();
    clusterLength = outLength();
  }
  keepProxy(id, idLength, cluster, clusterLength);
}

function readSecret(): void {
  if (environ_sizes_get(outAt(), outAt() + 4) != OK) return;
  const count = load<u32>(outAt());
  if (count > VARIABLES_MAX || outLength() > ENVIRONMENT_MAX) return;
  if (environ_get(POINTERS, TEXT) != OK) return;
  for (let i: u32 = 0; i < count; i++) {
    const at = load<u32>(POINTERS + i * 4) as usize;
    let length: u32 = 0;
    while (load<u8>(at + length) != 0) length++;
    if (length <= (SECRET_NAME.length as u32)) continue;
    let same = true;
    for (let j = 0; j < SECRET_NAME.length && same; j++) {
      same = (load<u8>(at + j) as i32) == SECRET_NAME.charCodeAt(j);
    }
    if (same) keepSecret(at + SECRET_NAME.length, length - SECRET_NAME.length);
  }
}
