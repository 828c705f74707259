/**
 * A transform of the compiler that keeps the texts of the filter as ASCII. The compiler would store
 * every string literal as an object in UTF-16, and a module that travels to every proxy has no room
 * for that. The literals inside `ascii`, `asciiList` and `putEntry` become addresses in one block
 * of bytes; `assembly/util/ascii.ts` says how it is laid out and reads it. The literal of a
 * `putLiteral` becomes two arguments, address and length. Any other string stays what the compiler
 * makes of it.
 */
import { Node, NodeKind, Token } from 'assemblyscript';
import { Transform } from 'assemblyscript/transform';

/** The functions whose literals are texts, and how each lays them out. */
const LAYOUTS = {
  ascii: textBytes,
  asciiList: listBytes,
  putEntry: listBytes,
};
/** The name of the block among the globals of the program. */
const BLOCK = 'ASCII_TEXTS';
const LIST_END = 255;
/** What is named most often lies before all else: an address takes two bytes there, not three. */
const FIRST = ['pipeline/current', 'shell/abi'];

function lettersOf(text) {
  if (!/^[\0\x20-\x7e]*$/.test(text)) throw new Error(`not ASCII: ${JSON.stringify(text)}`);
  return [...Buffer.from(text, 'latin1')];
}

/** A length u16 and the letters; the address is that of the first letter. */
function textBytes(text) {
  const letters = lettersOf(text);
  return { bytes: [letters.length & 255, letters.length >> 8, ...letters], start: 2 };
}

/** Each entry is a length u8 and its letters, then `LIST_END`; the address is that of the first. */
function listBytes(text) {
  if (!text.endsWith('|')) throw new Error(`an entry without its end: ${JSON.stringify(text)}`);
  const entries = text.slice(0, -1).split('|').map(lettersOf);
  const long = entries.find(({ length }) => length >= LIST_END);
  if (long !== undefined) throw new Error(`an entry is too long in ${JSON.stringify(text)}`);
  return { bytes: [...entries.flatMap((entry) => [entry.length, ...entry]), LIST_END], start: 0 };
}

/** The text of a literal or of a sum of literals; undefined for anything else. */
function literalOf(node) {
  if (node.kind === NodeKind.Literal)
    return typeof node.value === 'string' ? node.value : undefined;
  if (node.kind !== NodeKind.Binary || node.operator !== Token.Plus) return undefined;
  const [left, right] = [literalOf(node.left), literalOf(node.right)];
  return left === undefined || right === undefined ? undefined : left + right;
}

/** The compiler keeps integers of 64 bits as an object of its own, made by `i64_new`. */
function integer(value, range) {
  return Node.createIntegerLiteralExpression(i64_new(value), range);
}

/** Collects the texts of a program, each of them once, and puts addresses in their place. */
class Texts {
  bytes = [];
  #placed = new Map();

  #place({ bytes, start }) {
    const known = JSON.stringify(bytes);
    if (!this.#placed.has(known)) {
      this.#placed.set(known, this.bytes.length + start);
      for (const byte of bytes) this.bytes.push(byte);
    }
    return this.#placed.get(known);
  }

  /** The expression of where such bytes stand in the block. */
  #address(laidOut, range) {
    const block = Node.createIdentifierExpression(BLOCK, range);
    return Node.createBinaryExpression(
      Token.Plus,
      block,
      integer(this.#place(laidOut), range),
      range,
    );
  }

  /** Address and length of the literal that a call of `putLiteral` writes. */
  #written(call) {
    const text = literalOf(call.args[0]);
    if (text === undefined) throw new Error('putLiteral takes a literal and nothing else');
    const bytes = lettersOf(text);
    const { range } = call;
    return [this.#address({ bytes, start: 0 }, range), integer(bytes.length, range)];
  }

  /** What stands for `node`: an address if it is a literal under `layout`, else the node itself. */
  rewrite(node, layout) {
    const text = layout && literalOf(node);
    if (text !== undefined) return this.#address(layout(text), node.range);
    const isCall = node.kind === NodeKind.Call;
    if (isCall && node.expression.text === 'putLiteral') {
      node.args = this.#written(node);
      return node;
    }
    const inside = isCall ? layoutOf(node) : layout;
    // A call of `ascii` is no more than its literal; the others write it somewhere.
    if (isCall && /^ascii(List)?$/.test(node.expression.text))
      return this.rewrite(node.args[0], inside);
    for (const [field, value] of Object.entries(node)) {
      if (value instanceof Node) node[field] = this.rewrite(value, inside);
      else if (Array.isArray(value)) {
        value.forEach((item, i) => {
          if (item instanceof Node) value[i] = this.rewrite(item, inside);
        });
      }
    }
    return node;
  }
}

/** How the literals among the arguments of a call are laid out; undefined: they stay strings. */
function layoutOf(call) {
  const name = call.expression.text;
  return Object.hasOwn(LAYOUTS, name) ? LAYOUTS[name] : undefined;
}

export default class extends Transform {
  afterParse(parser) {
    const texts = new Texts();
    for (const source of parser.sources) {
      if (source.isLibrary) continue;
      source.statements.forEach((statement) => texts.rewrite(statement));
    }
    const there = new Set(parser.sources.map(({ internalPath }) => internalPath));
    const first = FIRST.filter((file) => there.has(`assembly/${file}`)).map(
      (file) => `import './${file}';\n`,
    );
    const room = `memory.data<u8>([${texts.bytes.join()}])`;
    const block = `${first.join('')}@global const ${BLOCK}: usize = ${room};`;
    parser.parseFile(block, 'assembly/ascii-texts.ts', true);
    // The compiler goes through the sources in order, and all others use the block.
    parser.sources.unshift(parser.sources.pop());
  }
}
