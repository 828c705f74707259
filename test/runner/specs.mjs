/**
 * The reporter of the filter's specs: a line per spec file, the whole story of a failure, and at
 * the end the line that the runner counts. as-pect imports it by path and wants an instance.
 */
const TEST = 0;

class SpecReporter {
  stdout = null;
  stderr = null;
  passed = 0;
  failed = 0;

  constructor() {
    process.on('exit', () => console.log(`\n${this.passed} passed, ${this.failed} failed`));
  }

  onEnter() {}

  onExit(context, node) {
    if (node.type !== TEST) return;
    if (node.pass) {
      this.passed++;
      return;
    }
    this.failed++;
    console.log(`  FAILED ${context.fileName}: ${fullName(node)}`);
    for (const line of storyOf(node)) console.log(`    ${line}`);
  }

  onFinish(context) {
    const ok = context.pass ? 'ok' : 'not ok';
    console.log(`  ${ok} ${context.fileName} (${context.testPassCount} passed)`);
    for (const { message } of context.errors) console.log(`    ${message}`);
  }
}

function fullName(node) {
  const names = [];
  for (let at = node; at !== null; at = at.parent) if (at.name) names.unshift(at.name);
  return names.join(' > ');
}

function* storyOf({ message, actual, expected, stackTrace, errors }) {
  if (message) yield message;
  if (actual !== null) yield `actual:   ${actual.stringify().trim()}`;
  if (expected !== null) yield `expected: ${expected.stringify().trim()}`;
  for (const error of errors) yield error.message;
  if (stackTrace) yield* stackTrace.split('\n').slice(0, 8);
}

export default new SpecReporter();
