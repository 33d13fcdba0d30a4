//! A command line that starts a server, split into words as a shell would, each character with its place.

use super::tree::{Characters, Finding, Position};

/// Whether a text is a command line rather than a file of configuration.
pub(super) fn is_one(text: &str) -> bool {
    let mut words = text.split_whitespace().skip_while(|word| matches!(*word, "$" | "sudo"));
    let Some(first) = words.next() else { return false };
    let name = first.rsplit(['/', '=']).next().unwrap_or_default();
    // `---` begins a document of YAML.
    let is_flag = first.strip_prefix("--").is_some_and(|flag| flag.starts_with(|c: char| c.is_ascii_alphabetic()));
    is_flag || (matches!(name, "mongod" | "mongos") && !first.ends_with(':'))
}

/// Splits the line (POSIX shells, §2.2 Quoting).
pub(super) fn words(text: &Characters) -> Result<Vec<Characters>, Box<Finding>> {
    let mut words = Vec::new();
    let mut word: Option<Vec<(char, Position)>> = None;
    let mut quote: Option<(char, Position)> = None;
    let mut rest = text.list.iter().copied().peekable();
    while let Some((c, at)) = rest.next() {
        match (c, quote) {
            (c, Some((open, _))) if c == open => quote = None,
            ('\\', None | Some(('"', _))) => {
                let Some((next, _)) = rest.peek().copied() else { continue };
                // Within quotes it is one only before what would otherwise mean something.
                if quote.is_some() && !matches!(next, '"' | '\\' | '$' | '`' | '\n') {
                    word.get_or_insert_default().push((c, at));
                    continue;
                }
                rest.next();
                if next != '\n' {
                    word.get_or_insert_default().push((next, at));
                }
            }
            ('\'' | '"', None) => {
                quote = Some((c, at));
                word.get_or_insert_default();
            }
            (c, None) if c.is_whitespace() => {
                words.extend(word.take().map(|list| Characters { list, end: at }));
            }
            (c, _) => word.get_or_insert_default().push((c, at)),
        }
    }
    if let Some((_, at)) = quote {
        return Err(Finding::fail(at, "", "a quotation mark opens here, and none closes it").into());
    }
    words.extend(word.map(|list| Characters { list, end: text.end }));
    Ok(words)
}

/// The parameters that a line sets, with `--setParameter NAME=VALUE`: name, its place, and the value.
pub(super) fn parameters(words: Vec<Characters>) -> Vec<(String, Position, Characters)> {
    let mut found = Vec::new();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let text = word.text();
        let assignment = match text.trim_start_matches('-') {
            "setParameter" if text.starts_with('-') => words.next(),
            flag if text.starts_with('-') && flag.starts_with("setParameter=") => {
                Some(word.behind(text.chars().count() - flag.chars().count() + "setParameter=".len()))
            }
            _ => None,
        };
        let Some(assignment) = assignment else { continue };
        let text = assignment.text();
        let Some((name, _)) = text.split_once('=') else { continue };
        found.push((name.to_owned(), assignment.start(), assignment.behind(name.chars().count() + 1)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_found_as_a_shell_would_pass_them() {
        let rows = [
            (
                "mongod --setParameter a=1 --setParameter 'b=[ {\"x\": 1} ]'",
                vec![("a", "1", 25), ("b", "[ {\"x\": 1} ]", 45)],
            ),
            ("mongod --auth --setParameter=a='[1, 2]'", vec![("a", "[1, 2]", 33)]),
            ("mongod --setParameter a=\"x\\\"y\\z\"", vec![("a", "x\"y\\z", 26)]),
            ("mongod \\\n --setParameter \\\n a=1", vec![("a", "1", 4)]),
            ("mongod --config setParameter=a", vec![]),
            ("mongod -setParameter a=1", vec![("a", "1", 24)]),
        ];
        for (line, expected) in rows {
            let found = parameters(words(&Characters::of_file(line)).unwrap());
            let found: Vec<_> =
                found.iter().map(|(name, _, value)| (name.clone(), value.text(), value.start().column)).collect();
            let expected: Vec<_> = expected.iter().map(|(n, v, c)| ((*n).to_owned(), (*v).to_owned(), *c)).collect();
            assert_eq!(found, expected, "{line}");
        }
        let open = words(&Characters::of_file("mongod --setParameter 'a=1")).unwrap_err();
        assert_eq!((open.line, open.column), (1, 23));
    }

    #[test]
    fn a_line_is_told_from_a_file() {
        for (text, expected) in [
            ("mongod --auth", true),
            ("  $ sudo /usr/bin/mongos --port 1", true),
            ("--setParameter a=1", true),
            ("ExecStart=/usr/bin/mongod --config x", true),
            ("---\na: b", false),
            ("setParameter:\n  a: mongod", false),
            ("mongod:\n  x: 1", false),
            ("", false),
        ] {
            assert_eq!(is_one(text), expected, "{text:?}");
        }
    }
}
