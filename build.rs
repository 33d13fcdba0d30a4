//! How the programs are linked: on Linux with glibc, without the shared `libgcc_s`.
//!
//! What walks the stack is all that Rust needs of it, and GCC has the same as an archive. Its loading, and its look at the
//! processor's features, would be paid by every start of either program: the small one by a tenth of a start.

#[allow(clippy::print_stdout)] // How a build script talks to cargo.
fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let target = |part: &str| std::env::var(format!("CARGO_CFG_TARGET_{part}")).unwrap_or_default();
    if target("OS") == "linux" && target("ENV") == "gnu" {
        println!("cargo:rustc-link-lib=static:-bundle=gcc_eh");
    }
}
