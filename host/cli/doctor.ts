/**
 * `sidegate doctor`: reads manifests for Istio, or the objects of a running mesh, and names what is
 * known to leave an API open or broken, which Istio's own validators do not see. It must never
 * change anything.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Command, Option } from 'commander';
import { loadModule } from '../emulator/index.ts';
import { type CanonicalResource, type InputFile, loadResources } from '../resources/load.ts';
import { formatProblems, inOrder, type Printable } from '../resources/problem.ts';
import { readFolder } from '../service/folder.ts';
import { type ApiOptions, callApi, findTarget } from './admin-api.ts';
import { type Context, say, tell } from './context.ts';
import { checkBelt } from './doctor-belt.ts';
import { askProxies, FORBIDDEN, readCluster } from './doctor-cluster.ts';
import type { Finding } from './doctor-findings.ts';
import { type Manifests, readManifests } from './doctor-manifests.ts';
import {
  checkAddresses,
  checkHost,
  checkPhases,
  checkPorts,
  checkTwice,
  type PhasedProduct,
} from './doctor-mesh.ts';
import {
  checkImages,
  checkPlugin,
  checkVersions,
  type Known,
  type Plugin,
  pluginsOf,
} from './doctor-plugins.ts';
import {
  checkEngines,
  checkWords,
  type HostWord,
  podsWithFilter,
  strangersOf,
  unasked,
} from './doctor-proxies.ts';
import { checkPods } from './doctor-workloads.ts';
import { withApi } from './key.ts';
import { KubeApi } from './kube-api.ts';
import { readKubeconfig } from './kubeconfig.ts';
import { readModule } from './oci-build.ts';
import { CommandError, Exit } from './outcome.ts';
import type { SetExit } from './program.ts';

interface Options extends ApiOptions {
  readonly filename?: readonly string[];
  readonly kubeconfig?: string;
  readonly kubeContext?: string;
  readonly namespace?: string;
  readonly module?: string;
  readonly digest?: string;
  readonly resources?: string;
  readonly output: 'text' | 'json';
}

/** The module that judges pluginConfig unless another is named. */
const BUILT_MODULE = fileURLToPath(new URL('../../build/filter.wasm', import.meta.url));

/** Adds the verb. */
export function addDoctor(program: Command, context: Context, setExit: SetExit): void {
  const verb = program
    .command('doctor')
    .description(
      'look for what opens or breaks an API in manifests for Istio or a mesh; exit code 3 if found, ' +
        '7 if none was but not all may be read',
    )
    .option('-f, --filename <path...>', 'files, or folders with .yaml and .yml files')
    .option('--kubeconfig <file>', 'look at a running mesh; token or certificate, no exec')
    .option('--kube-context <name>', 'context of the kubeconfig; else its current one')
    .option('-n, --namespace <name>', 'only plugins of this namespace, and what they call')
    .option('--module <file>', 'the filter that will run; else build/filter.wasm, when it is there')
    .option('--digest <digest>', 'what `sidegate oci build` printed for it')
    .option('--resources <path>', 'resources of Sidegate, to look at keys and phases together')
    .addOption(
      new Option('-o, --output <format>', 'how to print findings')
        .choices(['text', 'json'])
        .default('text'),
    );
  withApi(verb).action((options: Options) => doctor(options, context, setExit));
}

async function doctor(options: Options, context: Context, setExit: SetExit): Promise<void> {
  const known = readKnown(options, context);
  const resources = loadedFrom(options.resources, context);
  const { manifests, api, unread: left } = await readObjects(options, context);
  const plugins = pluginsOf(manifests);
  const running = await checkRunning(plugins, manifests, api, options, context);
  const unread = [...left, ...running.unread];
  const findings: Printable[] = inOrder([
    ...manifests.problems,
    ...checkVersions(manifests),
    ...checkImages(manifests),
    ...plugins.flatMap((plugin) => [
      ...checkPlugin(plugin, known),
      ...checkPorts(plugin, manifests),
      ...checkHost(plugin, manifests),
      ...checkPods(plugin, manifests),
      ...checkBelt(plugin, manifests),
    ]),
    ...checkTwice(plugins),
    ...checkPhases(plugins, phasedProducts(resources)),
    ...checkAddresses(plugins, boundCredential(resources)),
    ...running.findings,
  ]);
  if (options.output === 'json') say(context, JSON.stringify(findings, null, 2));
  else if (findings.length > 0) context.stdout.write(formatProblems(findings));
  if (known.module === undefined) tell(context, 'No module: pluginConfig was not looked at.');
  if (plugins.length === 0) tell(context, 'No plugin of Sidegate among these objects.');
  if (unread.length > 0) tell(context, `Not read: ${unread.join(', ')}.`);
  const found = said(findings, unread.length > 0);
  tell(context, `${manifests.all.length} objects, ${plugins.length} plugins: ${found}`);
  // To have found nothing in a part is no clean bill, and a script reads the number alone.
  if (findings.length > 0) setExit(Exit.problems);
  else if (unread.some((each) => each.endsWith(FORBIDDEN))) setExit(Exit.denied);
  else if (unread.length > 0) setExit(Exit.refused);
}

/** The manifests of files, or of a cluster and the way to it. */
async function readObjects(options: Options, context: Context) {
  const { filename, kubeconfig, kubeContext, namespace } = options;
  if ((filename === undefined) === (kubeconfig === undefined)) {
    throw new CommandError(Exit.usage, 'give either -f or --kubeconfig');
  }
  if (kubeconfig === undefined) {
    const files = (filename ?? []).flatMap((name) => readFiles(name, context));
    return { manifests: readManifests(files), api: undefined, unread: [] };
  }
  const api = new KubeApi(readKubeconfig(path.resolve(context.folder, kubeconfig), kubeContext));
  const { files, unread } = await readCluster(api, namespace);
  return { manifests: readManifests(files), api, unread };
}

/** What proxies and host say, where there is a way to ask them. */
async function checkRunning(
  plugins: readonly Plugin[],
  manifests: Manifests,
  api: KubeApi | undefined,
  options: Options,
  context: Context,
): Promise<{ readonly findings: Finding[]; readonly unread: readonly string[] }> {
  const pods = podsWithFilter(plugins, manifests);
  const findings: Finding[] = [];
  const unread: string[] = [];
  if (api !== undefined) {
    const { words, forbidden } = await askProxies(api, pods);
    if (forbidden) unread.push(`metrics of proxies ${FORBIDDEN}`);
    findings.push(...checkWords(words));
    const left = unasked(pods, words);
    if (left !== undefined) tell(context, left);
  }
  if (options.host !== undefined || options.context !== undefined) {
    const target = findTarget(context, options);
    const { version } = await callApi<{ version: string }>(target, 'GET', '/v1/status');
    const heard = await callApi<Omit<HostWord, 'version'>>(target, 'GET', '/v1/proxies');
    const host = { ...heard, version };
    findings.push(...checkEngines(pods, host, context.nowMs()));
    const strangers = strangersOf(host, manifests);
    if (strangers > 0)
      tell(context, `The host hears ${strangers} proxies not among these objects.`);
  }
  return { findings, unread };
}

function said(findings: readonly Printable[], partly: boolean): string {
  if (findings.length === 0) return partly ? 'nothing found in what was read.' : 'nothing found.';
  return `${findings.length} ${findings.length === 1 ? 'finding' : 'findings'}.`;
}

/** The files of a path, named as it was given. */
function readFiles(name: string, context: Context): InputFile[] {
  try {
    const base = path.resolve(context.folder, name);
    return readFolder(base).map((file) => {
      return { name: path.join(name, path.relative(base, file.name)), bytes: file.bytes };
    });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'there is nothing at this path' : message;
    throw new CommandError(Exit.usage, `${name}: ${why}`);
  }
}

function readKnown({ module, digest }: Options, context: Context): Known {
  if (digest !== undefined && !/^(sha256:)?[0-9a-f]{64}$/.test(digest)) {
    throw new CommandError(Exit.usage, `--digest is ${JSON.stringify(digest)}, not a SHA-256`);
  }
  const manifestDigest = digest?.slice(-64);
  const bytes = moduleBytes(module, context);
  if (bytes === undefined) return { moduleDigest: undefined, manifestDigest, module: undefined };
  const loaded = loadModule(bytes);
  const moduleDigest = createHash('sha256').update(bytes).digest('hex');
  return { moduleDigest, manifestDigest, module: loaded.ok ? loaded.module : undefined };
}

function moduleBytes(module: string | undefined, context: Context) {
  if (module !== undefined) return readModule(module, context);
  return existsSync(BUILT_MODULE) ? new Uint8Array(readFileSync(BUILT_MODULE)) : undefined;
}

/** The resources that proxies of the plugins work with; none unless they are named. */
function loadedFrom(name: string | undefined, context: Context): readonly CanonicalResource[] {
  if (name === undefined) return [];
  const loaded = loadResources(readFiles(name, context));
  if (loaded.ok) return loaded.resources;
  throw new CommandError(Exit.problems, `${name} has problems`, [`Run: sidegate validate ${name}`]);
}

/** Products with keys behind a scheme in the authorization header, and those with tokens. */
function phasedProducts(resources: readonly CanonicalResource[]): PhasedProduct[] {
  return resources
    .filter(({ kind }) => kind === 'Product')
    .flatMap(({ name, text }) => {
      const { identify = [], proxyGroup = 'default' } = JSON.parse(text).spec as ProductSpec;
      const isBearer = identify.some(
        ({ apiKey }) =>
          apiKey?.header?.toLowerCase() === 'authorization' &&
          apiKey.prefix?.trim().toLowerCase() === 'bearer',
      );
      const byToken = identify.some(({ jwt }) => jwt !== undefined);
      const phased = (needs: 'AUTHN' | 'AUTHZ') => ({ name, proxyGroup, needs });
      return [...(isBearer ? [phased('AUTHN')] : []), ...(byToken ? [phased('AUTHZ')] : [])];
    });
}

/** The first credential that is bound to networks. */
function boundCredential(resources: readonly CanonicalResource[]): string | undefined {
  return resources.find(
    ({ kind, text }) => kind === 'Credential' && (JSON.parse(text).spec.cidrs ?? []).length > 0,
  )?.name;
}

interface ProductSpec {
  readonly proxyGroup?: string;
  readonly identify?: readonly {
    readonly apiKey?: { readonly header?: string; readonly prefix?: string };
    readonly jwt?: object;
  }[];
}
