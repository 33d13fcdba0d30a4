//! What the README tells people to write.

/// The section with the callbacks.
pub const CONNECT: &str = "Connect";

/// The section of those for whom nobody signs in.
pub const PROGRAMS: &str = "Programs without a person";

/// A section's text.
pub fn section(heading: &str) -> String {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    // A checkout on Windows may have turned the ends of the lines.
    let readme = readme.replace("\r\n", "\n");
    let section = readme.split(&format!("\n## {heading}\n")).nth(1).expect("the section is there");
    section.split("\n## ").next().unwrap().to_owned()
}

/// The first block of this language in a section.
pub fn recipe(heading: &str, language: &str) -> String {
    let section = section(heading);
    let block = section.split(&format!("```{language}\n")).nth(1).expect("the block is there");
    block.split("```").next().unwrap().to_owned()
}
