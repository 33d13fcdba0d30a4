//! What the README tells people to write is what is run.

use crate::support::readme::recipe;

/// The real driver's tests run the example, at a server.
#[test]
fn the_recipe_for_rust_is_the_example_s_text() {
    let example = include_str!("../../examples/callback.rs").replace("\r\n", "\n");
    let recipe = recipe("rust");
    assert!(example.contains(&recipe), "examples/callback.rs does not have this of README.md:\n{recipe}");
}
