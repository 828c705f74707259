/**
 * The scripted probe (modules/script.ts) in an emulated VM: what the tests of the emulator drive,
 * and what they read of it.
 */
import {
  Clusters,
  type LoadedModule,
  loadModule,
  type PluginConfiguration,
  type Root,
  type Stream,
  seededRandom,
  VirtualClock,
  Vm,
  type VmOptions,
} from '../../../host/emulator/index.ts';
import { assemblyScriptBytes, wat } from './compile.ts';

/** Loads a module that must be accepted. */
export function mustLoad(bytes: Uint8Array<ArrayBuffer>): LoadedModule {
  const loaded = loadModule(bytes);
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  return loaded.module;
}

/** A VM of a module written as WebAssembly text, without a plugin yet. */
export function watVm(text: string): Vm {
  const options = { clock: new VirtualClock(), random: seededRandom(1) };
  return new Vm(mustLoad(wat(`(module ${text})`)), options);
}

/** The probe, compiled once. */
export const PROBE = mustLoad(await assemblyScriptBytes('script'));

/** The name of the cluster the probe's calls go to; the test answers them. */
export const CLUSTER = 'upstream';

/** The arguments with which the probe makes a well-formed call. */
export const CALL = `call ${CLUSTER} :path=/q,:method=GET,:authority=u 1000`;

/** A VM with one plugin. */
export class Probe {
  readonly clock = new VirtualClock();
  readonly clusters = new Clusters({ [CLUSTER]: 'manual', empty: 'no_endpoint' });
  readonly vm: Vm;
  readonly root: Root;

  constructor(configuration = '', options: Partial<VmOptions> = {}) {
    this.vm = new Vm(PROBE, {
      clock: this.clock,
      random: seededRandom(1),
      clusters: this.clusters,
      vmConfiguration: 'vm text',
      properties: { 'xds.node.id': 'probe-node' },
      ...options,
    });
    this.root = this.vm.createRoot(plugin(configuration));
  }

  /** Sends a request whose steps are `script`. */
  request(script: string, headers: [string, string][] = []): Stream {
    return this.vm.request({
      headers: [
        [':authority', 'probe.test'],
        [':path', '/a?b=c'],
        [':method', 'GET'],
        [':scheme', 'http'],
        ...headers,
        ['x-script', script],
      ],
    });
  }

  /** Sends a request, lets upstream answer 200 if it passed, and ends it. */
  exchange(script: string, headers: [string, string][] = []): Stream {
    const stream = this.request(script, headers);
    if (stream.outcome === 'continued') stream.respond({ headers: { ':status': '200' } });
    stream.end();
    return stream;
  }

  /** The steps and results of the last run of a callback, without its name. */
  trace(callback: string): string {
    return this.traces(callback).at(-1) ?? '';
  }

  /** The steps and results of every run of a callback. */
  traces(callback: string): string[] {
    const start = `trace ${callback}`;
    return this.vm.log.messages
      .filter((line) => line === start || line.startsWith(`${start} `))
      .map((line) => line.slice(start.length).trim());
  }

  /** The names of the callbacks that ran, in order, from the `from`-th on. */
  callbacks(from = 0): string[] {
    return this.vm.log.messages
      .filter((line) => line.startsWith('trace '))
      .slice(from)
      .map((line) => line.split(' ')[1] ?? '');
  }
}

/** The probe's plugin with a text. */
export function plugin(configuration: string, name = 'probe'): Required<PluginConfiguration> {
  return { name, rootId: 'probe-root', configuration, properties: {} };
}
