//! The one integration crate: the real binary, a strict provider on loopback, real HTTP between them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../support/mod.rs"]
mod support;

// The provider itself: that it refuses what it should, because a peer that is too kind proves nothing.
mod provider;

// A person signs in.
mod login;

// The session is kept, and tokens are handed out.
mod bad_input;
mod cases;
mod logout;
mod profile;
mod refresh;
mod signed_in;
mod status;
mod token;
