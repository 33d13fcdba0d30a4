//! What the README tells people to write.

/// The first block of this language in the section "Connect".
pub fn recipe(language: &str) -> String {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    // A checkout on Windows may have turned the ends of the lines.
    let readme = readme.replace("\r\n", "\n");
    let section = readme.split("\n## Connect\n").nth(1).expect("the section is there").split("\n## ").next().unwrap();
    let block = section.split(&format!("```{language}\n")).nth(1).expect("the block is there");
    block.split("```").next().unwrap().to_owned()
}
