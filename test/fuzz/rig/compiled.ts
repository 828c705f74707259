/**
 * Resources through the real compiler: policy bytes and directory records with ids of their own,
 * without a store. It must never accept a set that the host would refuse.
 */
import { InlineCompiler } from '../../../host/compile/compiler.ts';
import { RecordKind } from '../../../host/compile/output.ts';
import { encodeCredential } from '../../../host/compile/records.ts';
import type { WireRecord } from '../../../host/wire/directory.ts';
import { decodePolicy } from '../../../host/wire/policy.ts';
import { readDirectory, type World } from '../oracle/world.ts';

/** What a host would hand out for a set of resources. */
export interface Compiled {
  readonly policy: Uint8Array;
  /** In the order (revision, kind, id); all of revision 1. */
  readonly records: readonly WireRecord[];
  readonly world: World;
}

/** Compiles a YAML text, or answers undefined if the host would refuse it. */
export async function compileText(resources: string): Promise<Compiled | undefined> {
  const compiler = new InlineCompiler();
  const files = [{ name: 'fuzz.yaml', bytes: new TextEncoder().encode(resources) }];
  const loaded = await compiler.load(files, ['default']);
  if (!loaded.ok) return undefined;
  const { names } = loaded;
  const idOf = (kind: string, namespace: string, name: string) =>
    1 +
    names.findIndex((each) => {
      return each.kind === kind && each.namespace === namespace && each.name === name;
    });
  const { groups, credentials } = await compiler.compile(names.map((_, at) => at + 1));
  const group = groups.find((each) => each.group === 'default');
  if (group === undefined) return undefined;
  const declared = credentials.map((credential, at) => {
    const application = idOf('Application', credential.namespace, credential.application);
    const enabled = credential.state === 'enabled';
    const body = encodeCredential({ ...credential, application, enabled });
    return { kind: RecordKind.credential, id: names.length + 1 + at, body };
  });
  const records = [...group.records, ...declared]
    .sort((a, b) => a.kind - b.kind || a.id - b.id)
    .map((record) => ({ ...record, revision: 1, present: true }));
  const policy = decodePolicy(group.policy);
  const directory = readDirectory(records);
  if (!policy.ok || directory === undefined)
    throw new Error('the decoders refuse what was compiled');
  return { policy: group.policy, records, world: { policy: policy.value, directory } };
}
