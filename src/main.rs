//! `mdb-login`: sign in once with the company's identity, and every MongoDB tool on the machine works.
#![allow(dead_code)]

mod error;
mod http;
mod oidc;
mod secret;
mod ui;

fn main() {}
