//! One file a command.

pub mod profile;
