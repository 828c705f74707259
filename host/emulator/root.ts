/**
 * A root context: one plugin configuration inside a VM. Begins, ticks, makes calls and is taken
 * away as Envoy does it: `on_done` only when its last stream has ended, `on_delete` at once or when
 * the guest calls `proxy_done`, and its open calls die without a callback.
 */
import { Result } from './abi.ts';
import type { Timer } from './clock.ts';
import type { CallResponse, HttpCall } from './http-call.ts';
import { Properties, type PropertyList } from './properties.ts';
import type { Stream, StreamRequest } from './stream.ts';
import type { Vm } from './vm.ts';

/** The configuration of one plugin. */
export interface PluginConfiguration {
  /** What `plugin_name` answers. */
  name?: string;
  rootId?: string;
  /** The bytes `proxy_on_configure` reads, as UTF-8. */
  configuration?: string;
  /** Properties every stream and the root itself can read. */
  properties?: PropertyList;
}

/**
 * Where a root is in its life: `closing` waits for its streams, `pending` for `proxy_done` after
 * `on_done` answered false; `refused` was never accepted.
 */
export type RootState = 'live' | 'closing' | 'pending' | 'deleted' | 'refused';

/** Which step refused a root. */
export type Refusal = 'trap' | 'vm_start' | 'configure';

/** The most calls a root remembers; the oldest that are over go first. */
export const CALLS_KEPT = 1_000;

/** A root context. Made by `Vm.createRoot`. */
export class Root {
  readonly id: number;
  readonly vm: Vm;
  readonly plugin: PluginConfiguration;
  readonly properties: Properties;
  state: RootState = 'live';
  refusal: Refusal | undefined;
  /** The tick period in force, 0 = none. */
  tickPeriodMs = 0;
  /** Calls made, oldest first: all open ones and the last `CALLS_KEPT`. */
  calls: HttpCall[] = [];
  /** How often this plugin was asked for; it closes with the last. */
  holders = 1;
  /** The response the guest can read while its callback runs. */
  answering: CallResponse | undefined;
  /** What `proxy_get_status` answers. */
  status: { code: number; message: string } = { code: 0, message: '' };
  /** Whether the plugin's configuration can be read now. */
  configurationReadable = false;
  readonly #streams = new Set<Stream>();
  #created = false;
  #timer: Timer | undefined;

  constructor(vm: Vm, id: number, plugin: PluginConfiguration) {
    this.vm = vm;
    this.id = id;
    this.plugin = plugin;
    this.properties = new Properties(plugin.properties);
  }

  /** Two plugins with the same key share a root. */
  static key(plugin: PluginConfiguration): string {
    return JSON.stringify([plugin.name ?? '', plugin.rootId ?? '', plugin.configuration ?? '']);
  }

  /** The calls that are still open, oldest first. */
  get openCalls(): HttpCall[] {
    return this.calls.filter((call) => call.state === 'open');
  }

  /** The number of its streams that have not ended. */
  get streamCount(): number {
    return this.#streams.size;
  }

  /** Begins its life in the guest; called once by the VM. */
  begin(): void {
    const { guest } = this.vm;
    const length = Buffer.byteLength(this.plugin.configuration ?? '', 'utf8');
    this.configurationReadable = true;
    if (guest.call('proxy_on_context_create', this.id, this.id, 0) !== undefined) {
      this.#created = true;
    }
    this.configurationReadable = false;
    const vmLength = this.vm.vmConfiguration.length;
    const started = guest.call('proxy_on_vm_start', this.id, this.id, vmLength);
    this.vm.afterCall();
    if (!guest.failure && started === 0) this.#refuse('vm_start');
    else if (!guest.failure) this.#configure(length);
    if (guest.failure) this.#refuse('trap');
  }

  #configure(length: number): void {
    this.#created = true;
    this.configurationReadable = true;
    const accepted = this.vm.guest.call('proxy_on_configure', this.id, this.id, length);
    this.vm.afterCall();
    this.configurationReadable = false;
    if (accepted === 0) this.#refuse('configure');
  }

  #refuse(refusal: Refusal): void {
    this.state = 'refused';
    this.refusal = refusal;
  }

  /** Calls `proxy_on_tick` now, whatever its period. */
  tick(): void {
    if (this.state === 'deleted') return;
    this.vm.guest.call('proxy_on_tick', this.id, this.id);
    this.vm.afterCall();
  }

  /** Sets the tick period; 0 stops it. The next tick comes one period after the last has ended. */
  setTickPeriod(periodMs: number): void {
    this.tickPeriodMs = periodMs;
    this.vm.clock.cancel(this.#timer);
    this.#timer =
      periodMs > 0 ? this.vm.clock.schedule(periodMs, () => this.#onTimer()) : undefined;
  }

  #onTimer(): void {
    const armed = this.#timer;
    this.tick();
    if (this.#timer !== armed || this.tickPeriodMs === 0) return;
    if (this.vm.guest.failure || this.state === 'deleted') return;
    this.#timer = this.vm.clock.schedule(this.tickPeriodMs, () => this.#onTimer());
  }

  /** Begins a stream of this plugin. */
  request(request: StreamRequest): Stream {
    return this.vm.request({ ...request, root: this });
  }

  /** Takes one holder away; the last one begins its end once its streams have ended. */
  close(): void {
    if (this.state !== 'live' || --this.holders > 0) return;
    this.state = 'closing';
    this.#shutDownIfIdle();
  }

  /** Notes that a stream of this root began. */
  streamBegan(stream: Stream): void {
    this.#streams.add(stream);
  }

  /** Notes that a stream of this root has ended. */
  streamEnded(stream: Stream): void {
    this.#streams.delete(stream);
    this.#shutDownIfIdle();
  }

  #shutDownIfIdle(): void {
    if (this.state === 'closing' && this.#streams.size === 0) this.shutDown();
  }

  /** Calls `on_done`; deletes the root or leaves it pending. Called when nothing holds it. */
  shutDown(): void {
    this.vm.leaves(this);
    const { guest } = this.vm;
    const asked = !guest.failure && guest.has('proxy_on_done');
    const done = asked ? guest.call('proxy_on_done', this.id, this.id) : 1;
    this.vm.afterCall();
    if (done) this.delete();
    else this.state = 'pending';
    this.vm.afterShutDown(this);
  }

  /** Answers `proxy_done`: ends a pending root once the current callback has returned. */
  done(): number {
    const pending = this.vm.pendingRoot(this);
    if (!pending) return Result.notFound;
    pending.state = 'closing';
    this.vm.defer(() => pending.delete());
    return Result.ok;
  }

  /** Calls `on_delete` and forgets the root, its timer and its open calls. */
  delete(): void {
    if (this.#created) {
      this.vm.guest.call('proxy_on_delete', this.id, this.id);
      this.vm.afterCall();
    }
    this.forget();
  }

  /** Drops the root without a word to the guest, as when the VM itself goes. */
  forget(): void {
    this.state = 'deleted';
    this.vm.clock.cancel(this.#timer);
    for (const call of this.calls) call.cancel();
    this.vm.forgetContext(this.id);
  }

  /** Remembers a call. */
  remember(call: HttpCall): void {
    if (this.calls.length >= 2 * CALLS_KEPT) {
      const old = this.calls.slice(0, -CALLS_KEPT).filter(({ state }) => state === 'open');
      this.calls = [...old, ...this.calls.slice(-CALLS_KEPT)];
    }
    this.calls.push(call);
  }

  /** Hands a call's response to the guest; `undefined` is a reset. */
  deliver(call: HttpCall, response: CallResponse | undefined): void {
    const { vm } = this;
    if (vm.guest.currentId !== undefined) {
      vm.defer(() => this.deliver(call, response));
      return;
    }
    this.answering = response;
    if (!response) this.status = { code: Result.brokenConnection, message: 'reset' };
    vm.defer(() => {
      this.answering = undefined;
      if (!response) this.status = { code: this.status.code, message: '' };
    });
    const headers = response?.headers.size ?? 0;
    const length = response?.body.length ?? 0;
    vm.guest.call('proxy_on_http_call_response', this.id, this.id, call.token, headers, length, 0);
    vm.afterCall();
  }
}
