/**
 * Holds the parts under the phases to their bounds: header index, edits, texts, pairs, the map of
 * streams, held requests. Guarantees that bytes of a caller lead to no address of their choosing.
 */
import { heldAt } from '../../../assembly/engine/state';
import { EDITS_MAX, HEADERS_MAX, HELD_MAX, STREAM_SLOTS } from '../../../assembly/limits';
import {
  editAdd,
  editAt,
  editCount,
  editRemove,
  editSet,
  editsOverflowed,
  resetEdits,
  scratch,
} from '../../../assembly/pipeline/edits';
import {
  addHeader,
  dropHeaders,
  findNamed,
  HEADER_NAME_LENGTH,
  HEADER_VALUE,
  HEADER_VALUE_LENGTH,
  headerAt,
  headerCount,
  headerNumber,
  indexHeaders,
  mayHaveOwn,
} from '../../../assembly/pipeline/headers';
import { addHeld, dropHeld, findHeld, Held, mayHold } from '../../../assembly/pipeline/hold';
import { addPair, beginPairs, endPairs, pairsAt } from '../../../assembly/pipeline/pairs';
import {
  addStream,
  dropStream,
  recordOfStream,
  rootOfStream,
  streamCount,
} from '../../../assembly/pipeline/streams';
import {
  putByte,
  putBytes,
  putDecimal,
  putEntry,
  putHex,
  putLiteral,
  textBegin,
  textFits,
  textLength,
} from '../../../assembly/pipeline/text';
import { Name } from '../../../assembly/util/name';
import { below, hex, lastRoom, next, room, seed, Text, textOf } from '../support/bytes';
import { newTestEngine } from '../support/engine';
import { request } from '../support/headers';

const ROOM: usize = room(4096);
const END: usize = lastRoom(65536) + 65536;

function nameAt(index: u32): string {
  const entry = headerAt(index);
  return textOf(load<u32>(entry), load<u32>(entry, HEADER_NAME_LENGTH));
}

function valueAt(index: u32): string {
  const entry = headerAt(index);
  return textOf(load<u32>(entry, HEADER_VALUE), load<u32>(entry, HEADER_VALUE_LENGTH));
}

describe('the header index', () => {
  test('reads what pairs are written as', () => {
    const name = new Text('x-a');
    const value = new Text('one');
    beginPairs();
    addPair(name.at, name.length, value.at, value.length);
    addPair(value.at, value.length, 0, 0);
    const length = endPairs();
    expect(hex(pairsAt(), 12)).toBe('020000000300000003000000');
    expect(indexHeaders(pairsAt(), length)).toBe(true);
    expect(headerCount()).toBe(2);
    expect(nameAt(0)).toBe('x-a');
    expect(valueAt(0)).toBe('one');
    expect(nameAt(1)).toBe('one');
    expect(valueAt(1)).toBe('');
    expect(indexHeaders(pairsAt(), length - 1)).toBe(false, 'cut');
    expect(headerCount()).toBe(0);
    expect(indexHeaders(0, 0)).toBe(false);
  });

  // Guarantees that no header hides behind another one, whatever the tags of their names.
  test('finds every header by its name, in order', () => {
    const lines: string[] = [];
    for (let i = 0; i < 300; i++) lines.push('x-' + (i % 100).toString() + ': ' + i.toString());
    lines.push(': nameless');
    lines.push('a: short');
    request(lines);
    for (let i: u32 = 0; i < 100; i++) {
      const name = new Text('X-' + i.toString());
      let entry: usize = 0;
      for (let each: u32 = 0; each < 3; each++) {
        entry = findNamed(name.at, name.length, entry);
        expect(entry).toBe(headerAt(i + each * 100));
        expect(headerNumber(entry)).toBe(i + each * 100);
      }
      expect(findNamed(name.at, name.length, entry)).toBe(0);
    }
    const short = new Text('a');
    expect(findNamed(short.at, short.length, 0)).toBe(headerAt(301));
    expect(findNamed(short.at, 0, 0)).toBe(headerAt(300));
    const absent = new Text('x-100');
    expect(findNamed(absent.at, absent.length, 0)).toBe(0);
    expect(addHeader(absent.at, absent.length, absent.at, 1)).toBe(true);
    expect(findNamed(absent.at, absent.length, 0)).toBe(headerAt(302));
    dropHeaders(absent.at, absent.length);
    expect(findNamed(absent.at, absent.length, 0)).toBe(0);
    expect(headerCount()).toBe(302);
  });

  // Guarantees that a name that only we may set is seen however it is spelt, at the cost of a walk.
  test('knows names that may be ours', () => {
    request(['x-sidegat: 1', 'x-sidegate: 2', 'y-sidegato-x: 3', 'accept: 4']);
    expect(mayHaveOwn(0)).toBe(false);
    const spellings = ['x-sidegate-plan', 'X_SideGate_plan', 'x-sidegate-'];
    for (let i = 0; i < spellings.length; i++) {
      request(['accept: 1', spellings[i] + ': 2']);
      expect(mayHaveOwn(0)).toBe(true, spellings[i]);
    }
    const name = new Text('x-consumer');
    request(['X_Consumer: 1']);
    expect(mayHaveOwn(Name.bit(Name.tag(name.at, name.length)))).toBe(true);
  });

  test('refuses more headers than its bound', () => {
    const bytes = 4 + (HEADERS_MAX + 1) * 10;
    const at = room(bytes);
    store<u32>(at, HEADERS_MAX);
    expect(indexHeaders(at, bytes)).toBe(true);
    store<u32>(at, HEADERS_MAX + 1);
    expect(indexHeaders(at, bytes)).toBe(false);
  });

  test('of any bytes leads nowhere outside of them', () => {
    for (let round = 0; round < 5000; round++) {
      seed(round);
      const length = below(80);
      const at = END - length;
      for (let i: u32 = 0; i < length; i++) {
        const byte = next() as u8;
        store<u8>(at + i, i % 4 == 0 ? byte & 7 : below(20) == 0 ? byte : 0);
      }
      if (!indexHeaders(at, length)) continue;
      for (let i: u32 = 0; i < headerCount(); i++) {
        const entry = headerAt(i);
        const name = load<u32>(entry) as usize;
        const value = load<u32>(entry, HEADER_VALUE) as usize;
        expect(name >= at).toBe(true, 'round ' + round.toString());
        expect(name + load<u32>(entry, HEADER_NAME_LENGTH) <= END).toBe(true);
        expect(value + load<u32>(entry, HEADER_VALUE_LENGTH) <= END).toBe(true);
      }
    }
  });
});

describe('edits', () => {
  test('are kept in order and bounded', () => {
    resetEdits();
    editRemove(1, 2);
    editSet(3, 4, 5, 6);
    editAdd(7, 8, 9, 10);
    expect(editCount()).toBe(3);
    expect(load<u32>(editAt(1), 12)).toBe(5);
    for (let i: u32 = 3; i < EDITS_MAX; i++) editRemove(1, 1);
    expect(editsOverflowed()).toBe(false);
    editRemove(1, 1);
    expect(editsOverflowed()).toBe(true, 'such a request must not pass');
    expect(editCount()).toBe(EDITS_MAX);
    resetEdits();
    expect(editsOverflowed()).toBe(false);
    const first = scratch(60000);
    expect(first).not.toBe(0);
    expect(scratch(6000)).toBe(0);
    expect(editsOverflowed()).toBe(true);
    resetEdits();
    expect(scratch(1)).toBe(first);
  });
});

describe('texts', () => {
  test('are written and never run over', () => {
    textBegin(ROOM, 64);
    putLiteral('a=');
    putDecimal(0);
    putByte(0x2c);
    putDecimal(18446744073709551615);
    putHex(new Text('\x00\xff').at, 1);
    expect(textOf(ROOM, textLength())).toBe('a=0,1844674407370955161500');
    store<u8>(ROOM + 8, 0x7a);
    textBegin(ROOM, 8);
    putLiteral('1234567');
    putDecimal(10);
    expect(textFits()).toBe(false);
    expect(textLength()).toBe(7);
    putBytes(ROOM, 2);
    putByte(0x38);
    putByte(0x39);
    expect(textOf(ROOM, textLength())).toBe('12345678');
    expect(load<u8>(ROOM + 8)).toBe(0x7a);
    textBegin(0, 8);
    putLiteral('x');
    expect(textLength()).toBe(0);
  });

  test('take one entry of a list', () => {
    for (let i: u32 = 0; i < 5; i++) {
      textBegin(ROOM, 64);
      putEntry('one||three|', i);
      expect(textOf(ROOM, textLength())).toBe(['one', '', 'three', '', ''][i]);
    }
  });
});

describe('the map of streams', () => {
  test('finds every stream among many that come and go', () => {
    seed(3);
    const open = new Map<u32, u32>();
    let id: u32 = 0xfffff000;
    for (let round = 0; round < 60000; round++) {
      if (open.size < 300 && below(2) == 0) {
        id++;
        if (id == 0) id = 1;
        addStream(id, (id % 7) + 1);
        open.set(id, (id % 7) + 1);
      } else if (open.size > 0) {
        const keys = open.keys();
        const gone = keys[below(keys.length)];
        dropStream(gone);
        open.delete(gone);
        expect(rootOfStream(gone)).toBe(0);
      }
      if (round % 1000 != 0) continue;
      const keys = open.keys();
      for (let i = 0; i < keys.length; i++) {
        expect(rootOfStream(keys[i])).toBe(open.get(keys[i]));
        expect(recordOfStream(keys[i])).not.toBe(0);
      }
      expect(streamCount()).toBe(open.size);
    }
    const keys = open.keys();
    for (let i = 0; i < keys.length; i++) dropStream(keys[i]);
    expect(streamCount()).toBe(0);
    dropStream(12345);
  });

  test('has an end', () => {
    for (let i: u32 = 1; i <= STREAM_SLOTS; i++) addStream(i, 1);
    expect(streamCount()).toBe((STREAM_SLOTS / 4) * 3);
    expect(rootOfStream(STREAM_SLOTS)).toBe(0);
    for (let i: u32 = 1; i <= STREAM_SLOTS; i++) dropStream(i);
    expect(streamCount()).toBe(0);
  });
});

describe('held requests', () => {
  test('wait in order, within their bounds', () => {
    const engine = newTestEngine();
    for (let i: u32 = 1; i <= HELD_MAX; i++) {
      expect(mayHold(engine, 0)).toBe(true);
      addHeld(engine, i, 1);
    }
    expect(mayHold(engine, 0)).toBe(false);
    dropHeld(engine, 2);
    dropHeld(engine, 77777);
    expect(engine.heldCount).toBe(HELD_MAX - 1);
    expect(changetype<Held>(heldAt(engine, 0)).stream).toBe(1);
    expect(changetype<Held>(heldAt(engine, 1)).stream).toBe(3);
    expect(findHeld(engine, HELD_MAX)).not.toBe(0);
    expect(findHeld(engine, 2)).toBe(0);
  });

  test('of one subscription have a share', () => {
    const engine = newTestEngine();
    let held: u32 = 0;
    while (mayHold(engine, 5) && held < HELD_MAX) {
      addHeld(engine, 100 + held, 1).subscription = 5;
      held++;
    }
    expect(held).toBe(64);
    expect(mayHold(engine, 6)).toBe(true);
  });
});
