//! The one integration crate: the real binary, a strict provider on loopback, real HTTP between them.

// Figures that a test has measured are printed, for those who ask with `--nocapture`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]

#[path = "../support/mod.rs"]
mod support;

// The provider and the server themselves: that they refuse what they should, because a peer that is too kind proves
// nothing.
mod mongod;
mod provider;

// Signing in: with a browser, with a device code, what is refused, the redirect port, the terminal's own rules, and
// strangers that knock while it waits.
mod login;
mod login_device;
mod login_port;
#[cfg(unix)]
mod login_questions;
mod login_refused;
mod login_request;
mod login_terminal;
mod login_unready;
mod redirect;

// What the program makes of its own definition.
mod completions;
mod generated;

// What people are told to write.
mod recipes;

// An administrator sets a provider up.
mod server_config;
mod setup;

// Programs that run with a token.
#[cfg(unix)]
mod exec;

// The session is kept, and tokens are handed out.
mod bad_input;
mod cases;
mod cloud;
#[cfg(unix)]
mod doctor;
mod hot_path;
mod inspect;
mod json;
mod logout;
mod profile;
mod refresh;
mod secrets;
mod server;
mod server_check;
mod server_keys;
mod signed_in;
mod status;
mod tls;
mod token;
// Programs, for which nobody signs in.
#[cfg(unix)]
mod workload;
// Linux alone has a small program for the cached token and a full one for the rest.
#[cfg(target_os = "linux")]
mod two_programs;
#[cfg(unix)]
mod which_session;
