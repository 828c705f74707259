//! The job of the bench as a Rust filter does it: a key looked up by its SHA-256 among many, two
//! limits counted in the memory of the worker, four header edits. It must stay what the SDK's own
//! examples teach: contexts as traits, headers read and written by name.

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};
use sha2::{Digest, Sha256};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const KEY_HEADER: &str = "x-api-key";
const PLAN: &str = "gold";
const LIMITS: [(u64, u64); 2] = [(3_600, 1_000_000_000_000), (86_400, 1_000_000_000_000)];

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Warn);
    proxy_wasm::set_root_context(|_| -> Box<dyn RootContext> { Box::new(Root::default()) });
}}

/// A caller: its name, and what it has used of the current window of each limit.
struct Caller {
    name: String,
    windows: [(u64, u64); 2],
}

type Callers = Rc<RefCell<HashMap<[u8; 32], Caller>>>;

#[derive(Default)]
struct Root {
    callers: Callers,
}

impl Context for Root {}

impl RootContext for Root {
    /// One caller a line: the digest of its key in hexadecimal, a blank, its name.
    fn on_configure(&mut self, _: usize) -> bool {
        let bytes = self.get_plugin_configuration().unwrap_or_default();
        let mut callers = self.callers.borrow_mut();
        for line in String::from_utf8_lossy(&bytes).lines() {
            match line.split_once(' ').and_then(|(hex, name)| Some((parse(hex)?, name))) {
                Some((digest, name)) => {
                    let caller = Caller { name: name.to_string(), windows: [(0, 0); 2] };
                    callers.insert(digest, caller);
                }
                None => return false,
            }
        }
        true
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Filter { callers: self.callers.clone() }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

struct Filter {
    callers: Callers,
}

impl Context for Filter {}

impl HttpContext for Filter {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        let key = match self.get_http_request_header(KEY_HEADER) {
            Some(key) => key,
            None => return self.deny(401, "no key"),
        };
        let digest: [u8; 32] = Sha256::digest(key.as_bytes()).into();
        let now = seconds(self.get_current_time());
        let mut callers = self.callers.borrow_mut();
        let caller = match callers.get_mut(&digest) {
            Some(caller) => caller,
            None => return self.deny(401, "unknown key"),
        };
        if !take(&mut caller.windows, now) {
            return self.deny(429, "over the limit");
        }
        self.set_http_request_header("x-consumer", Some(&caller.name));
        self.set_http_request_header("x-plan", Some(PLAN));
        self.set_http_request_header("x-internal", None);
        self.set_http_request_header(KEY_HEADER, None);
        Action::Continue
    }
}

impl Filter {
    fn deny(&self, status: u32, why: &str) -> Action {
        self.send_http_response(status, vec![], Some(why.as_bytes()));
        Action::Pause
    }
}

/// Takes one unit from every window, or from none.
fn take(windows: &mut [(u64, u64); 2], now: u64) -> bool {
    for (window, (length, quota)) in windows.iter_mut().zip(LIMITS) {
        let current = now / length;
        if window.0 != current {
            *window = (current, 0);
        }
        if window.1 >= quota {
            return false;
        }
    }
    for window in windows.iter_mut() {
        window.1 += 1;
    }
    true
}

fn seconds(now: SystemTime) -> u64 {
    now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}

fn parse(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    if text.len() != 64 {
        return None;
    }
    for (at, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(digest)
}
