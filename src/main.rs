//! `mdb-login`: sign in once with the company's identity, and every MongoDB tool on the machine works.

mod error;
#[allow(dead_code, unused_imports)] // until the session room calls it
mod flow;
mod secret;
mod ui;

fn main() {}
