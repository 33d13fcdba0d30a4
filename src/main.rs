//! `mdb-login`: sign in once with the company's identity, and every MongoDB tool on the machine works.
#![allow(dead_code)]

mod cli;
mod commands;
mod error;
mod http;
mod oidc;
mod secret;
mod settings;
mod store;
mod ui;

use std::process::ExitCode;

use crate::error::{Error, Kind, Result};

fn main() -> ExitCode {
    ExitCode::SUCCESS
}
