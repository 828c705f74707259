/**
 * The emulator: a proxy-wasm host for the module that ships, used by `simulate`, tests, fuzzing and
 * benches. Everything outside this folder imports it from here. What it imitates, and what it
 * leaves out, is written in README.md beside this file.
 */

export { BufferType, type LogLevel, MapType, MetricType, PAGE_BYTES, Result } from './abi.ts';
export type { AbiCounter, Counts } from './abi-counter.ts';
export { followRealTime, type Timer, VirtualClock } from './clock.ts';
export { EnvoyWouldCrash, NotEmulated } from './errors.ts';
export {
  type Applied,
  canary,
  type FailurePolicy,
  Fleet,
  type FleetOptions,
  type FleetPlugin,
  Worker,
} from './fleet.ts';
export type { Failure } from './guest.ts';
export { type HeaderList, HeaderMap } from './header-map.ts';
export {
  type CallAnswer,
  type CallHandler,
  type CallResult,
  type ClusterBehaviour,
  Clusters,
  flaky,
  type HttpCall,
} from './http-call.ts';
export type { LocalResponse } from './local-reply.ts';
export { LOGS_MAX, Log, type LogLine } from './log.ts';
export { MetricStore } from './metrics.ts';
export {
  type LoadedModule,
  type LoadProblem,
  type LoadProblemCode,
  type LoadResult,
  loadModule,
} from './module.ts';
export { type Origin, origin } from './origin.ts';
export { decodePairs, encodePairs, type Pair } from './pairs.ts';
export type { PropertyList, PropertyValue } from './properties.ts';
export { type Random, seededRandom } from './random.ts';
export type { PluginConfiguration, Refusal, Root, RootState } from './root.ts';
export { SharedData } from './shared-data.ts';
export type { Answer, Outcome, Stream, StreamRequest, StreamView } from './stream.ts';
export { Vm, type VmOptions, type VmRequest } from './vm.ts';
