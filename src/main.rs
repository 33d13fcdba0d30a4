//! `mdb-login`: sign in once with the company's identity, and every MongoDB tool on the machine works.

mod error;
mod secret;
#[allow(dead_code, unused_imports)]
mod store;
mod ui;

fn main() {}
