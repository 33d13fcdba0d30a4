//! What tests and the demonstration share: a strict identity provider, a strict MongoDB server, a scripted browser, and
//! the real program in an environment of its own. None of it is in the shipped binary.

// Each crate that includes this uses a part of it.
#![allow(dead_code, unused_imports)]
// Support code stops a test by panicking: that is how it reports.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

pub mod browser;
pub mod cloud;
pub mod cmd;
#[cfg(target_os = "linux")]
pub mod dns;
pub mod idp;
pub mod mongod;
pub mod peer;
pub mod readme;
#[cfg(unix)]
pub mod screen;
#[cfg(unix)]
pub mod terminal;
