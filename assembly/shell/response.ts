/**
 * The response callback: carries out what the response phase makes of a kept decision. Most streams
 * ask for nothing and leave at the first test; no decision is made here.
 */
import {
  DECISION_ANSWERED,
  DECISION_GRPC_WEB,
  DECISION_RESPONDS,
  Decision,
} from '../decision/record';
import { findRoot, rootAt } from '../engine/roots';
import { engineAt } from '../engine/state';
import { EDIT_ADD, EDIT_SET, editAt, editCount, resetEdits } from '../pipeline/edits';
import { forgetHeaders, indexHeaders } from '../pipeline/headers';
import { composeResponse, recall, responseAsksHeaders } from '../pipeline/response';
import { recordOfStream } from '../pipeline/streams';
import { ascii, asciiLength } from '../util/ascii';
import {
  MAP_RESPONSE,
  OK,
  outAddress,
  outAt,
  outLength,
  proxy_add_header_map_value,
  proxy_get_header_map_pairs,
  proxy_remove_header_map_value,
  proxy_replace_header_map_value,
} from './abi';
import { resetArena } from './arena';

/** `proxy_on_response_headers` of a stream. */
export function onResponseHeaders(stream: u32): void {
  const record = recordOfStream(stream);
  if (record == 0) return;
  const decision = changetype<Decision>(record);
  // A denial of ours carries all it has to say, and comes by here too.
  if ((decision.flags & (DECISION_RESPONDS | DECISION_ANSWERED)) != DECISION_RESPONDS) {
    if ((decision.flags & DECISION_GRPC_WEB) != 0) nameGrpcWeb();
    return;
  }
  const root = findRoot(decision.root);
  if (root == 0 || rootAt(root).engine == 0) return;
  resetArena();
  resetEdits();
  forgetHeaders();
  if (!recall(engineAt(rootAt(root).engine), decision)) return;
  if (responseAsksHeaders() && !readHeaders()) return;
  if (composeResponse(decision)) carryOutEdits(MAP_RESPONSE, 0, editCount());
}

function nameGrpcWeb(): void {
  const name = ascii('content-type');
  const value = ascii('application/grpc-web+proto');
  proxy_replace_header_map_value(MAP_RESPONSE, name, asciiLength(name), value, asciiLength(value));
}

/** Without its headers a response cannot be edited; the proxy hands them over in any case. */
function readHeaders(): bool {
  if (proxy_get_header_map_pairs(MAP_RESPONSE, outAt(), outAt() + 4) != OK) return false;
  return indexHeaders(outAddress(), outLength());
}

/** Carries out the edits from `from` up to but without `to` on a header map. */
export function carryOutEdits(map: i32, from: u32, to: u32): void {
  for (let i = from; i < to; i++) carryOutEdit(map, editAt(i));
}

function carryOutEdit(map: i32, edit: usize): void {
  const op = load<u32>(edit);
  const name = load<u32>(edit, 4) as usize;
  const nameLength = load<u32>(edit, 8) as usize;
  const value = load<u32>(edit, 12) as usize;
  const valueLength = load<u32>(edit, 16) as usize;
  if (op == EDIT_SET) {
    proxy_replace_header_map_value(map, name, nameLength, value, valueLength);
  } else if (op == EDIT_ADD) {
    proxy_add_header_map_value(map, name, nameLength, value, valueLength);
  } else {
    proxy_remove_header_map_value(map, name, nameLength);
  }
}
