//! `mdb-login`: sign in once with the company's identity, and every MongoDB tool on the machine works.
#![allow(dead_code)]

mod error;
mod http;
mod oidc;
mod secret;
#[allow(dead_code)]
mod store;
mod ui;

fn main() {}
