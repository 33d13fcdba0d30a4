//! The real binary against real peers: a certified OpenID provider, Chromium, gnome-keyring, a pseudo-terminal, MongoDB's
//! drivers and its shell.
//!
//! Every test here is ignored by a plain `cargo test`, because it needs programs that a Rust toolchain does not bring.
//! `tests/run` installs them and runs all of these, one at a time: port 27097 is there once.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stderr)]

#[path = "../support/mod.rs"]
mod support;

mod peers; // the provider, the person over HTTP and the person with Chromium

#[cfg(target_os = "linux")]
mod alone; // a part of the machine for one test
#[cfg(target_os = "linux")]
mod bus; // a private D-Bus session with gnome-keyring in it, or without
#[cfg(target_os = "linux")]
mod terminal; // the binary on a pseudo-terminal

mod browser; // sign-in with Chromium, to the final page
mod connect; // a connection string, and what people run under `exec`
mod device; // sign-in by device code
mod drivers; // PyMongo and the npm driver with our tokens, and with the test server
mod mongosh; // MongoDB's shell: with a token file, and with its own login
mod recipes; // the README's own text, for people and for programs
mod set_up; // from `setup` to mongosh, by what the commands print
mod sign_in; // sign in, hand out, renew, sign out
mod soak; // an hour of renewals in a minute and a half
mod workload; // programs with a secret and with a key, and a thousand callers

#[cfg(target_os = "linux")]
mod calls; // system call by call: what a cached token costs, and a kill at any point of a renewal
#[cfg(target_os = "linux")]
mod exec; // a program that is given tokens, and the keyboard
#[cfg(target_os = "linux")]
mod fixtures; // the peers themselves are as strict as they claim
#[cfg(target_os = "linux")]
mod interactive; // what a person at a terminal sees
#[cfg(target_os = "linux")]
mod keyring; // unlocked, locked, absent, mute
#[cfg(target_os = "linux")]
mod other_user; // somebody else on the machine, who is faster than the person
#[cfg(target_os = "linux")]
mod platforms; // Azure Arc's folder, a crowd at a metadata server, and what people run on a platform
#[cfg(target_os = "linux")]
mod srv; // `mongodb+srv://`, with a DNS server in a network of its own
