/**
 * Tells as-pect which specs of the filter there are and what they may import: nothing, because all
 * they test is free of ABI calls. SPEC=<glob> runs some of them.
 */
export default {
  entries: [process.env.SPEC ?? 'test/assembly/**/*.spec.ts'],
  // A pattern that matches nothing; without one, as-pect looks in its own default folder.
  include: ['test/assembly/**/*.include.ts'],
  disclude: [/node_modules/],
  reporter: 'test/runner/specs.mjs',
  async instantiate(memory, createImports, instantiate, binary) {
    return instantiate(binary, createImports({ env: { memory } }));
  },
  outputBinary: false,
};
