//! YAML, as far as `mongod.conf` needs it: a tree of plain values with their places, and for each string where its
//! characters stand in the file, since another language (JSON) is within.
//!
//! Aliases are not followed, so a file cannot unfold into more than it is.

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};

use super::tree::{Characters, DEPTH_MAX, Entry, Finding, Node, Position, Text, Value};
use crate::ui::foreign;

/// Reads the first document of `text`; what is wrong goes to `findings`. `None` where there is no tree to go by, which is
/// said there.
pub(super) fn read(text: &str, findings: &mut Vec<Finding>) -> Option<Node> {
    let source: Vec<char> = text.chars().collect();
    let mut builder = Builder { source: &source, open: Vec::new(), root: None };
    for event in Parser::new_from_str(text) {
        let (event, span) = match event {
            Ok(event) => event,
            Err(error) => {
                let at = Position::new(error.marker().line(), error.marker().col() + 1);
                let finding = Finding::fail(at, "", format!("not YAML: {}", foreign(error.info())));
                findings.push(explain(finding, &source, error.marker().index()));
                return None;
            }
        };
        let at = Position::new(span.start.line(), span.start.col() + 1);
        if matches!(event, Event::DocumentStart(_)) && builder.root.is_some() {
            findings.push(Finding::warn(at, "", "another document starts here: the server reads the first one only"));
            break;
        }
        if let Err(finding) = builder.take(event, span, at) {
            findings.push(*finding);
            return None;
        }
    }
    if builder.root.is_none() {
        findings.push(Finding::fail(Position::START, "", "the file has no value in it"));
    }
    builder.root
}

/// Adds what people most often did, where the parser's words do not tell.
fn explain(finding: Finding, source: &[char], index: usize) -> Finding {
    let line: String = {
        let start = source.iter().take(index).rposition(|c| *c == '\n').map_or(0, |newline| newline + 1);
        source.iter().skip(start).take_while(|c| **c != '\n').collect()
    };
    if line.trim_start_matches(' ').starts_with('\t') {
        finding.hint("indent with spaces: YAML takes no tabs")
    } else if finding.message.contains("mapping values are not allowed") {
        finding.hint("put a value with `: ` in it into quotation marks")
    } else {
        finding
    }
}

struct Builder<'a> {
    source: &'a [char],
    open: Vec<Open>,
    root: Option<Node>,
}

/// A collection whose end has not come.
enum Open {
    List { at: Position, items: Vec<Node> },
    Map { at: Position, entries: Vec<Entry>, key: Option<(String, Position)> },
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, span: Span, at: Position) -> Result<(), Box<Finding>> {
        match event {
            Event::Scalar(value, style, _, tag) => {
                let value = foreign_tag(tag.as_deref()).unwrap_or_else(|| self.scalar(&value, style, span));
                self.add(Node { at, value });
            }
            Event::Alias(_) => self.add(Node { at, value: Value::Foreign("an alias (`*`)".to_owned()) }),
            Event::SequenceStart(..) => self.open.push(Open::List { at, items: Vec::new() }),
            Event::MappingStart(..) => self.open.push(Open::Map { at, entries: Vec::new(), key: None }),
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open::List { at, items }) => self.add(Node { at, value: Value::List(items) }),
                Some(Open::Map { at, entries, .. }) => self.add(Node { at, value: Value::Map(entries) }),
                None => {}
            },
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => {}
        }
        if self.open.len() > DEPTH_MAX {
            let message = format!("more than {DEPTH_MAX} values within each other");
            return Err(Finding::fail(at, "", message).into());
        }
        Ok(())
    }

    fn add(&mut self, node: Node) {
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open::List { items, .. }) => items.push(node),
            Some(Open::Map { entries, key, .. }) => match key.take() {
                Some((key, at)) => entries.push(Entry { key, at, node }),
                // A key that is a collection names nothing that we look for.
                None => *key = Some((written(&node), node.at)),
            },
        }
    }

    /// The core schema's types (YAML 1.2.2 §10.3.2), as far as a configuration has them.
    fn scalar(&self, value: &str, style: ScalarStyle, span: Span) -> Value {
        if style == ScalarStyle::Plain {
            match value {
                "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
                "true" | "True" | "TRUE" => return Value::Bool(true),
                "false" | "False" | "FALSE" => return Value::Bool(false),
                _ if value.parse::<f64>().is_ok()
                    && value.starts_with(['-', '+', '.', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9']) =>
                {
                    return Value::Number(value.to_owned());
                }
                _ => {}
            }
        }
        Value::Text(Text { value: value.to_owned(), characters: characters(value, self.source, style, span) })
    }
}

/// What a scalar says, whatever its type.
pub(super) fn written(node: &Node) -> String {
    match &node.value {
        Value::Text(text) => text.value.clone(),
        Value::Number(number) => number.clone(),
        Value::Bool(value) => value.to_string(),
        _ => String::new(),
    }
}

/// A tag of somebody's own. Those of YAML itself (`!!str`) change nothing that counts here.
fn foreign_tag(tag: Option<&Tag>) -> Option<Value> {
    let tag = tag.filter(|tag| !tag.is_yaml_core_schema() && !tag.suffix.is_empty())?;
    Some(Value::Foreign(format!("a value with the tag `{}`", foreign(&tag.to_string()))))
}

/// Where the characters of a string stand: the string and its source are walked side by side, and they have to agree to
/// the end. `None` where they do not, and a place would be a guess.
fn characters(value: &str, source: &[char], style: ScalarStyle, span: Span) -> Option<Characters> {
    let is_block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
    let indentation = span.start.col();
    let mut cursor =
        Cursor { source, index: span.start.index(), at: Position::new(span.start.line(), span.start.col() + 1) };
    // An anchor or a tag in front of it is part of its span.
    while matches!(cursor.peek(), Some('&' | '!')) {
        if is_block {
            return None;
        }
        while cursor.peek().is_some_and(|c| !c.is_whitespace()) {
            cursor.step();
        }
        while cursor.peek().is_some_and(char::is_whitespace) {
            cursor.step();
        }
    }
    if matches!(style, ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted) {
        cursor.step();
    }
    let mut list = Vec::new();
    for wanted in value.chars() {
        loop {
            let at = cursor.at;
            let Some(here) = cursor.peek() else {
                // The line break that a block scalar has even where the file ends without one.
                if wanted == '\n' && is_block {
                    list.push((wanted, at));
                    break;
                }
                return None;
            };
            match (style, here) {
                (ScalarStyle::DoubleQuoted, '\\') => {
                    let Some(decoded) = cursor.escape()? else { continue };
                    if decoded != wanted {
                        return None;
                    }
                }
                (ScalarStyle::SingleQuoted, '\'') => {
                    cursor.step();
                    if wanted != '\'' || cursor.peek() != Some('\'') {
                        return None;
                    }
                    cursor.step();
                }
                _ if here == wanted || (here == '\n' && wanted == ' ') => {
                    cursor.step();
                    if here == '\n' && is_block {
                        cursor.skip_indentation(indentation);
                    }
                }
                // What folding leaves out: blanks around a line break, and all but one of several breaks.
                (_, '\n') => {
                    cursor.step();
                    if is_block {
                        cursor.skip_indentation(indentation);
                    }
                    continue;
                }
                (_, ' ' | '\t') if !is_block => {
                    cursor.step();
                    continue;
                }
                _ => return None,
            }
            list.push((wanted, at));
            break;
        }
    }
    Some(Characters { list, end: cursor.at })
}

/// A place in the source that moves on; every kind of line break is one `\n` here.
struct Cursor<'a> {
    source: &'a [char],
    index: usize,
    at: Position,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<char> {
        self.source.get(self.index).map(|c| if *c == '\r' { '\n' } else { *c })
    }

    fn step(&mut self) {
        if self.peek() == Some('\n') {
            let is_pair = self.source.get(self.index..self.index + 2) == Some(&['\r', '\n']);
            self.index += 1 + usize::from(is_pair);
            self.at = Position::new(self.at.line + 1, 1);
        } else {
            self.index += 1;
            self.at.column += 1;
        }
    }

    fn skip_indentation(&mut self, columns: usize) {
        for _ in 0..columns {
            if self.peek() != Some(' ') {
                return;
            }
            self.step();
        }
    }

    /// An escape of a string in double quotation marks (YAML 1.2.2 §5.7): the character, `None` for a line that goes on,
    /// nothing at all for one that is unknown.
    fn escape(&mut self) -> Option<Option<char>> {
        self.step();
        let kind = self.peek()?;
        self.step();
        let digits = match kind {
            '\n' => {
                while matches!(self.peek(), Some(' ' | '\t')) {
                    self.step();
                }
                return Some(None);
            }
            'x' => 2,
            'u' => 4,
            'U' => 8,
            _ => 0,
        };
        let mut code = 0;
        for _ in 0..digits {
            code = code * 16 + self.peek()?.to_digit(16)?;
            self.step();
        }
        Some(Some(match kind {
            'x' | 'u' | 'U' => char::from_u32(code)?,
            '0' => '\0',
            'a' => '\u{7}',
            'b' => '\u{8}',
            't' | '\t' => '\t',
            'n' => '\n',
            'v' => '\u{b}',
            'f' => '\u{c}',
            'r' => '\r',
            'e' => '\u{1b}',
            'N' => '\u{85}',
            '_' => '\u{a0}',
            'L' => '\u{2028}',
            'P' => '\u{2029}',
            ' ' | '"' | '/' | '\\' => kind,
            _ => return None,
        }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tree(text: &str) -> Node {
        let mut findings = Vec::new();
        let node = read(text, &mut findings);
        assert_eq!(findings, []);
        node.unwrap_or_else(|| panic!("no tree: {text:?}"))
    }

    /// In whatever way a string is written, each `x` of it is found where it stands.
    #[test]
    fn characters_are_where_they_stand() {
        let rows = [
            ("a: x1 x2", vec![(1, 4), (1, 7)]),
            ("a: x1\n   x2\n", vec![(1, 4), (2, 4)]),
            ("a: 'x1 ''x2'", vec![(1, 5), (1, 10)]),
            ("a: 'x1   \n\n   x2'", vec![(1, 5), (3, 4)]),
            ("a: \"x1 \\\" \\u0041 x2\"", vec![(1, 5), (1, 18)]),
            ("a: \"x1\\\n   x2\"", vec![(1, 5), (2, 4)]),
            ("a: \"é x1\"", vec![(1, 7)]),
            ("a: |\n  x1\n    x2\n\n  x3\n", vec![(2, 3), (3, 5), (5, 3)]),
            ("a: |2-\n   x1", vec![(2, 4)]),
            ("a: >\n  x1\n  x2\n\n  x3\n", vec![(2, 3), (3, 3), (5, 3)]),
            ("a: >\r\n  x1\r\n  x2\r\n", vec![(2, 3), (3, 3)]),
            ("a:\n- b\n- x1\n", vec![(3, 3)]),
        ];
        fn places(node: &Node, found: &mut Vec<(usize, usize)>) {
            match &node.value {
                Value::Text(_) => {
                    let characters = node.characters().unwrap();
                    found.extend(characters.list.iter().filter(|(c, _)| *c == 'x').map(|(_, at)| (at.line, at.column)));
                    assert!(characters.list.iter().all(|(_, at)| at.within == 0));
                }
                Value::List(items) => items.iter().for_each(|item| places(item, found)),
                Value::Map(entries) => entries.iter().for_each(|entry| places(&entry.node, found)),
                _ => {}
            }
        }
        for (text, expected) in rows {
            let mut found = Vec::new();
            places(&tree(text), &mut found);
            assert_eq!(found, expected, "{text:?}");
        }
    }

    #[test]
    fn values_have_their_types() {
        let root =
            tree("a: ~\nb: true\nc: 'true'\nd: -60\ne: 1.5\nf: !mine x\ng: &g z\nh: *g\ni: !!str y\nj: infinity\n");
        let kinds: Vec<&str> = root.entries().iter().map(|entry| entry.node.kind()).collect();
        assert_eq!(
            kinds,
            [
                "null",
                "a boolean",
                "a string",
                "a number",
                "a number",
                "something else",
                "a string",
                "something else",
                "a string",
                "a string"
            ]
        );
    }

    #[test]
    fn what_is_not_read() {
        let deep = "[".repeat(DEPTH_MAX + 2);
        let laughs = "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n";
        for (text, expected) in [
            (deep.as_str(), "1:51 more than 50 values within each other"),
            ("a: b: c", "1:5 not YAML: mapping values are not allowed in this context"),
            ("a: 1\n---\nb: 2", "2:1 another document starts here: the server reads the first one only"),
            ("a: 'x", "1:4 not YAML: while scanning a quoted scalar, found unexpected end of stream"),
        ] {
            let mut findings = Vec::new();
            read(text, &mut findings);
            let said: Vec<String> =
                findings.iter().map(|one| format!("{}:{} {}", one.line, one.column, one.message)).collect();
            assert_eq!(said, [expected], "{text:?}");
        }
        assert_eq!(tree(laughs).entries().len(), 3);
    }

    proptest! {
        /// Whatever the text, reading ends, and every character that is mapped is that character of the source.
        #[test]
        fn places_are_true_or_not_given(lines in prop::collection::vec("[ a:'\"\\\\|>\\-\\[\\]{},#é\t]{0,12}", 0..6)) {
            let text = lines.join("\n");
            let source: Vec<Vec<char>> = text.split('\n').map(|line| line.chars().collect()).collect();
            let mut findings = Vec::new();
            fn check(node: &Node, source: &[Vec<char>]) {
                if let Value::Text(Text { characters: Some(characters), .. }) = &node.value {
                    for (c, at) in &characters.list {
                        let there = source.get(at.line - 1).and_then(|line| line.get(at.column - 1));
                        prop_assert_eq_or_break(*c, there.copied());
                    }
                }
                match &node.value {
                    Value::List(items) => items.iter().for_each(|item| check(item, source)),
                    Value::Map(entries) => entries.iter().for_each(|entry| check(&entry.node, source)),
                    _ => {}
                }
            }
            /// A line break is behind its line; an escape is at its backslash.
            fn prop_assert_eq_or_break(c: char, there: Option<char>) {
                assert!(there == Some(c) || there == Some('\\') || (there.is_none() && matches!(c, ' ' | '\n')), "{c:?} {there:?}");
            }
            if let Some(root) = read(&text, &mut findings) {
                check(&root, &source);
            }
        }
    }
}
