//! From a command's definition and words to roff.

use std::io;

use clap::{Command, builder::StyledStr};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::words::{self, Item};
use crate::settings::schema;

/// The widest line of a page's source, so that a change of the committed page can be read.
const WIDTH: usize = 80;

/// The page of `command`, which `names` lead to from the program.
pub fn render(command: &Command, title: &str, names: &[&str]) -> io::Result<String> {
    let man = Man::new(command.clone().subcommand_help_heading("COMMANDS")).title(title);
    let mut page = Roff::new();
    // No date: the page belongs to the version, and two builds of it must be equal.
    let version = format!("mdb-login {}", env!("CARGO_PKG_VERSION"));
    page.control("TH", [title.to_uppercase().as_str(), "1", "\"\"", &version, "User Commands"]);
    // Neither hyphens in the middle of a flag nor holes between words: what is shown is there to be copied.
    page.control("nh", []).control("ad", ["l"]);
    let mut text = source(&page);

    text += &part(|out| man.render_name_section(out))?;
    text += &synopsis(command);
    text += &description(command, names);
    if command.get_arguments().next().is_some() {
        text += &part(|out| man.render_options_section(out))?;
    }
    if command.has_subcommands() {
        text += &part(|out| man.render_subcommands_section(out))?;
    }
    if names.is_empty() {
        text += &source(&section("PROGRAMS", words::programs()));
    }
    text += &source(&section("EXIT STATUS", words::exit_status(names)));
    text += &source(&section("ENVIRONMENT", words::environment(names)));
    text += &source(&section("FILES", words::files(names)));
    text += &source(&section("SECURITY", words::security(names)));
    let examples = examples(&plain(command.get_after_long_help()));
    text += &source(&section("EXAMPLES", examples.into_iter().chain(words::more_examples(names)).collect()));
    text += &source(&section("SEE ALSO", words::see_also(command, title, names)));
    Ok(format!("{}{}", source_head(), finish(&text)))
}

/// What `clap_mangen` renders, without the head that it repeats with every section.
fn part(render: impl FnOnce(&mut dyn io::Write) -> io::Result<()>) -> io::Result<String> {
    let mut bytes = Vec::new();
    render(&mut bytes)?;
    let text = String::from_utf8(bytes).map_err(io::Error::other)?;
    Ok(text.strip_prefix(&source_head()).unwrap_or(&text).to_owned())
}

fn source(roff: &Roff) -> String {
    let text = roff.render();
    text.strip_prefix(&source_head()).unwrap_or(&text).to_owned()
}

/// The definition of the apostrophe that every text of the `roff` crate starts with.
fn source_head() -> String {
    Roff::new().render()
}

/// As `--help` has it: forty options in a row help nobody.
fn synopsis(command: &Command) -> String {
    let mut roff = Roff::new();
    roff.control("SH", ["SYNOPSIS"]);
    let usage = command.clone().render_usage().to_string();
    for (number, line) in usage.trim_start_matches("Usage:").lines().map(str::trim).enumerate() {
        if number > 0 {
            roff.control("br", []);
        }
        let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
        match line.strip_prefix(name) {
            Some(rest) => roff.text([bold(name), roman(rest)]),
            None => roff.text([roman(line)]),
        };
    }
    source(&roff)
}

fn description(command: &Command, names: &[&str]) -> String {
    let about = plain(command.get_long_about().or_else(|| command.get_about()));
    // The first paragraph is the page's NAME.
    let (_, text) = about.split_once("\n\n").unwrap_or_default();
    let mut roff = Roff::new();
    roff.control("SH", ["DESCRIPTION"]);
    if names == ["profile", "set"] {
        // Its long help ends with the table of keys, which a page has room to tell in full.
        let text = text.split_once("\n\nKeys:").map_or(text, |(text, _)| text);
        add(&mut roff, [Item::Text(text.to_owned())]);
        roff.control("SH", ["SETTINGS"]);
        add(&mut roff, schema::ALL.iter().map(|setting| words::setting(setting)));
    } else {
        let text = if text.is_empty() { &about } else { text };
        add(&mut roff, text.split("\n\n").map(|paragraph| Item::Text(paragraph.to_owned())));
    }
    source(&roff)
}

/// The commands below `Examples:` in a long help.
fn examples(help: &str) -> Option<Item> {
    let mut lines = help.lines().skip_while(|line| !line.starts_with("Example")).skip(1);
    let commands: Vec<&str> = lines.by_ref().take_while(|line| !line.is_empty()).map(str::trim).collect();
    (!commands.is_empty()).then(|| Item::Commands(commands.join("\n")))
}

fn plain(text: Option<&StyledStr>) -> String {
    text.map(ToString::to_string).unwrap_or_default()
}

fn section(name: &str, items: Vec<Item>) -> Roff {
    let mut roff = Roff::new();
    if !items.is_empty() {
        roff.control("SH", [name]);
        add(&mut roff, items);
    }
    roff
}

fn add(roff: &mut Roff, items: impl IntoIterator<Item = Item>) {
    for (number, item) in items.into_iter().enumerate() {
        match item {
            Item::Text(text) => {
                // Nothing may stand between a section's name and its first paragraph.
                if number > 0 {
                    roff.control("PP", []);
                }
                roff.text([roman(text.replace('\n', " "))]);
            }
            Item::Term(term, text) => {
                roff.control("TP", []);
                roff.text([bold(term)]);
                roff.text([roman(text)]);
            }
            Item::Point(text) => {
                roff.control("IP", ["\\(bu", "2"]);
                roff.text([roman(text)]);
            }
            Item::Commands(lines) => {
                if number > 0 {
                    roff.control("PP", []);
                }
                roff.control("RS", ["4"]);
                roff.control("nf", []);
                for line in lines.lines() {
                    roff.text([roman(line)]);
                }
                roff.control("fi", []);
                roff.control("RE", []);
            }
        }
    }
}

/// What the `roff` crate leaves to us: `code` in bold (roff makes a curly quote of a backtick), characters outside
/// ASCII by their number, and lines that a person can read.
fn finish(text: &str) -> String {
    let mut finished = String::new();
    let (mut filled, mut is_tag) = (true, false);
    // `clap_mangen` asks for this empty line in three ways at once.
    let text = text.replace("\n.br\n\n.br\n", "\n.sp\n");
    for line in text.lines().map(str::trim_end) {
        if line.starts_with('.') {
            filled = match line {
                ".nf" => false,
                ".fi" => true,
                _ => filled,
            };
            is_tag = line == ".TP";
            finished += line;
            finished.push('\n');
            continue;
        }
        let line = ascii(&with_bold_code(line));
        // A tag is one line by definition.
        if filled && !is_tag {
            wrap(&line, &mut finished);
        } else {
            finished += &line;
            finished.push('\n');
        }
        is_tag = false;
    }
    finished
}

fn with_bold_code(line: &str) -> String {
    let mut parts = line.split('`');
    let mut text = parts.next().unwrap_or_default().to_owned();
    while let Some(code) = parts.next() {
        match parts.next() {
            Some(rest) => text += &format!("\\fB{code}\\fR{rest}"),
            None => text += &format!("\\(ga{code}"),
        }
    }
    text
}

fn ascii(text: &str) -> String {
    let mut shown = String::new();
    for c in text.chars() {
        match c {
            // Nothing at all on a terminal that has no sign for it.
            '…' => shown += "...",
            c if c.is_ascii() => shown.push(c),
            c => shown += &format!("\\[u{:04X}]", u32::from(c)),
        }
    }
    shown
}

fn wrap(line: &str, out: &mut String) {
    let mut width = 0;
    for word in line.split(' ').filter(|word| !word.is_empty()) {
        if width > 0 && width + 1 + word.len() > WIDTH {
            out.push('\n');
            width = 0;
            // A word that would be a request at the start of a line.
            if word.starts_with(['.', '\'']) {
                out.push_str("\\&");
            }
        } else if width > 0 {
            out.push(' ');
            width += 1;
        }
        out.push_str(word);
        width += word.len();
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_ascii_with_bold_code_and_short_lines() {
        assert_eq!(with_bold_code("a `b` and `c d`"), "a \\fBb\\fR and \\fBc d\\fR");
        assert_eq!(with_bold_code("an odd ` one"), "an odd \\(ga one");
        assert_eq!(ascii("a – …"), "a \\[u2013] ...");
        let mut out = String::new();
        wrap(&format!("{} .x", "w".repeat(78)), &mut out);
        assert_eq!(out, format!("{}\n\\&.x\n", "w".repeat(78)));
    }

    #[test]
    fn tags_and_examples_are_not_wrapped() {
        let long = "word ".repeat(30);
        let text = format!(".TP\n{long}\n{long}\n.nf\n{long}\n.fi\n");
        let lines: Vec<usize> = finish(&text).lines().map(str::len).collect();
        assert_eq!((lines[1], lines.iter().filter(|length| **length > WIDTH).count()), (149, 2));
    }

    #[test]
    fn examples_end_where_the_next_heading_begins() {
        let help = "Examples:\n  mdb-login\n  mdb-login token\n\nExit codes:\n  0 done";
        assert!(matches!(examples(help), Some(Item::Commands(lines)) if lines == "mdb-login\nmdb-login token"));
        assert!(examples("Exit codes:\n  0 done").is_none());
    }
}
