/**
 * Reads the text form of the release module as a call graph. It must never judge; the rules that do
 * are in wasm.test.ts.
 */

/** What the text of a module says about its functions, by name. */
export interface CallGraph {
  calls: Map<string, Set<string>>;
  /** Functions that hold a `memory.grow`. */
  growing: Set<string>;
  /** The internal function behind each exported name. */
  exported: Map<string, string>;
}

/** Stands for every function an indirect call may reach. */
const TABLE = '(table)';

/** Builds the call graph of a module's text form, as the compiler prints it: one item a line. */
export function callGraphOf(wat: string): CallGraph {
  const graph: CallGraph = { calls: new Map(), growing: new Set(), exported: new Map() };
  const table = new Set<string>();
  graph.calls.set(TABLE, table);
  let name = '';
  for (const line of wat.split('\n')) {
    const exported = /^ \(export "([^"]+)" \(func (\$\S+?)\)\)/.exec(line);
    if (exported !== null) graph.exported.set(exported[1] ?? '', exported[2] ?? '');
    if (line.startsWith(' (elem')) {
      for (const [entry] of line.matchAll(/ (\$[^\s()]+)/g)) table.add(entry.trim());
    }
    const opened = /^ \(func (\$[^\s()]+)/.exec(line);
    if (opened !== null) {
      name = opened[1] ?? '';
      graph.calls.set(name, new Set());
    }
    const called = /\b(?:return_)?call (\$[^\s()]+)/.exec(line);
    if (called !== null) graph.calls.get(name)?.add(called[1] ?? '');
    if (/\bcall_indirect\b/.test(line)) graph.calls.get(name)?.add(TABLE);
    if (/\bmemory\.grow\b/.test(line)) graph.growing.add(name);
  }
  return graph;
}

/** Every function that can run below `from`, with the function that was seen to call it first. */
export function reachableFrom(graph: CallGraph, from: string): Map<string, string> {
  const callerOf = new Map([[from, '']]);
  for (const name of callerOf.keys()) {
    for (const called of graph.calls.get(name) ?? []) {
      if (!callerOf.has(called)) callerOf.set(called, name);
    }
  }
  return callerOf;
}
