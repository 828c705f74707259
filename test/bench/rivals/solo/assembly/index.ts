/**
 * The job of the bench on solo-io's own runtime, written as its documentation shows: a class for
 * the plugin, a class for the request, headers by name. Keys are compiled in as they are, because
 * the runtime overwrites memory when it reads a configuration, and brings no SHA-256.
 */
export * from "@solo-io/proxy-runtime/proxy";
import {
  Context,
  FilterHeadersStatusValues,
  GrpcStatusValues,
  registerRootContext,
  RootContext,
  send_local_response,
  stream_context,
} from "@solo-io/proxy-runtime";
import { get_current_time_nanoseconds } from "@solo-io/proxy-runtime/runtime";
import { KEYS } from "./keys";

const KEY_HEADER = "x-api-key";
const QUOTA: u64 = 1000000000000;
const HOUR: u64 = 3600000000000;
const DAY: u64 = 86400000000000;

/** One limit of one caller: how much of its current window is used. */
class Window {
  current: u64 = 0;
  used: u64 = 0;

  has(now: u64, length: u64): bool {
    let current = now / length;
    if (current != this.current) {
      this.current = current;
      this.used = 0;
    }
    return this.used < QUOTA;
  }
}

/** What is known of a key. */
class Caller {
  consumer: string;
  hourly: Window = new Window();
  daily: Window = new Window();

  constructor(consumer: string) {
    this.consumer = consumer;
  }
}

let callers = new Map<string, Caller>();

class RivalRoot extends RootContext {
  constructor(context_id: u32) {
    super(context_id);
    let keys = KEYS.split(" ");
    for (let i = 0; i < keys.length; i++) {
      callers.set(keys[i], new Caller("consumer-" + i.toString()));
    }
  }

  // The one of the runtime reads the configuration, and traps on an empty one.
  onConfigure(configuration_size: u32): bool {
    return true;
  }

  createContext(context_id: u32): Context {
    return new Rival(context_id, this);
  }
}

class Rival extends Context {
  constructor(context_id: u32, root_context: RivalRoot) {
    super(context_id, root_context);
  }

  onRequestHeaders(a: u32, end_of_stream: bool): FilterHeadersStatusValues {
    let key = stream_context.headers.request.get(KEY_HEADER);
    if (!callers.has(key)) return deny(401);
    let caller = callers.get(key);
    let now = get_current_time_nanoseconds();
    if (!caller.hourly.has(now, HOUR) || !caller.daily.has(now, DAY)) return deny(429);
    caller.hourly.used++;
    caller.daily.used++;
    stream_context.headers.request.replace("x-consumer", caller.consumer);
    stream_context.headers.request.replace("x-plan", "gold");
    stream_context.headers.request.remove("x-internal");
    stream_context.headers.request.remove(KEY_HEADER);
    return FilterHeadersStatusValues.Continue;
  }
}

function deny(status: u32): FilterHeadersStatusValues {
  send_local_response(status, "denied", new ArrayBuffer(0), [], GrpcStatusValues.InvalidCode);
  return FilterHeadersStatusValues.StopIteration;
}

registerRootContext((context_id: u32) => new RivalRoot(context_id), "rival");
