//! What the README tells people to write is what is run.

use crate::support::readme::{CONNECT, PROGRAMS, recipe};

/// The real driver's tests run the examples, at a server.
#[test]
fn the_recipes_for_rust_are_the_examples_text() {
    for (section, file, example) in [
        (CONNECT, "examples/callback.rs", include_str!("../../examples/callback.rs")),
        (PROGRAMS, "examples/built_in.rs", include_str!("../../examples/built_in.rs")),
    ] {
        let recipe = recipe(section, "rust");
        assert!(example.replace("\r\n", "\n").contains(&recipe), "{file} does not have this of README.md:\n{recipe}");
    }
}
