//! The one integration crate: the real binary, a strict provider on loopback, real HTTP between them.

// Figures that a test has measured are printed, for those who ask with `--nocapture`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]

#[path = "../support/mod.rs"]
mod support;

// The provider itself: that it refuses what it should, because a peer that is too kind proves nothing.
mod provider;

mod login;
mod login_device;
mod login_port;
mod login_refused;
mod login_terminal;
mod redirect;
