//! `-v` and `-vv`: what was asked of whom, and why. Set up only when asked for; a cached token never pays for it.
//!
//! Only this program's own events are shown. The D-Bus, HTTP and TLS libraries log message bodies, and a body may be a
//! token; no environment variable can turn them on.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Shows events on stderr: decisions at 1, every request at 2 and more.
pub fn set_up(verbosity: u8) {
    let level = match verbosity {
        0 => return,
        1 => LevelFilter::INFO,
        _ => LevelFilter::DEBUG,
    };
    let ours = filter_fn(|event| event.target().starts_with(env!("CARGO_CRATE_NAME")));
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_target(false)
        .without_time()
        .finish()
        .with(ours)
        .init();
}
