//! JSON as MongoDB's server reads it where a parameter is a string: quotes may be single, and names may have none; a comma
//! behind the last value is refused, although MongoDB's manual shows one in its own example.

use super::tree::{Characters, DEPTH_MAX, Entry, Finding, Node, Position, Text, Value};
use crate::ui::foreign;

/// Reads one value. What is wrong goes to `findings` under `path`; `None` where nothing can be made of the rest.
pub(super) fn read(characters: &Characters, path: &str, findings: &mut Vec<Finding>) -> Option<Node> {
    let mut reader = Reader { characters, next: 0, path, findings };
    let result = reader.value(0);
    match result {
        Ok(node) => {
            reader.skip_blanks();
            if let Some(c) = reader.peek() {
                // The server stops at the end of the value.
                let message = format!("`{}` behind the end is not read by the server", foreign(&c.to_string()));
                let finding = Finding::warn(reader.at(), path, message);
                reader.findings.push(finding);
            }
            Some(node)
        }
        Err(finding) => {
            reader.findings.push(*finding);
            None
        }
    }
}

struct Reader<'a> {
    characters: &'a Characters,
    next: usize,
    path: &'a str,
    findings: &'a mut Vec<Finding>,
}

/// What ends the reading. Boxed, for it is rare and large.
type Stop = Box<Finding>;

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.characters.list.get(self.next).map(|(c, _)| *c)
    }

    fn at(&self) -> Position {
        self.characters.list.get(self.next).map_or(self.characters.end, |(_, at)| *at)
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        self.next += usize::from(found);
        found
    }

    fn skip_blanks(&mut self) {
        while self.peek().is_some_and(|c| matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{b}' | '\u{c}')) {
            self.next += 1;
        }
    }

    fn stop(&self, message: impl Into<String>) -> Finding {
        Finding::fail(self.at(), self.path, format!("not JSON: {}", message.into()))
    }

    /// `expected` is not what stands here.
    fn unexpected<T>(&self, expected: &str) -> Result<T, Stop> {
        let Some(c) = self.peek() else {
            return Err(self.stop(format!("{expected} is missing, and the text ends")).into());
        };
        let finding = self.stop(format!("expected {expected}, found `{}`", foreign(&c.to_string())));
        let hint = match c {
            '\u{201c}' | '\u{201d}' | '\u{201e}' | '\u{2018}' | '\u{2019}' => {
                "use the plain quotation mark `\"`: this one is of a word processor"
            }
            '#' | '/' => "JSON has no comments: leave it out",
            '=' => "write `:` between a name and its value",
            '`' => "use the quotation mark `\"`",
            _ => return Err(finding.into()),
        };
        Err(finding.hint(hint).into())
    }

    fn value(&mut self, depth: usize) -> Result<Node, Stop> {
        self.skip_blanks();
        let at = self.at();
        if depth > DEPTH_MAX {
            return Err(self.stop(format!("more than {DEPTH_MAX} values within each other")).into());
        }
        let value = match self.peek() {
            Some('{') => self.object(depth)?,
            Some('[') => self.list(depth)?,
            Some('"' | '\'') => {
                let characters = self.quoted()?;
                Value::Text(Text { value: characters.text(), characters: Some(characters) })
            }
            Some('-' | '+' | '.' | '0'..='9') => self.number(),
            Some(c) if c.is_ascii_alphabetic() => self.word()?,
            _ => return self.unexpected("a value"),
        };
        Ok(Node { at, value })
    }

    fn object(&mut self, depth: usize) -> Result<Value, Stop> {
        self.next += 1;
        let mut entries = Vec::new();
        self.skip_blanks();
        if self.take('}') {
            return Ok(Value::Map(entries));
        }
        loop {
            self.skip_blanks();
            let at = self.at();
            let key = match self.peek() {
                Some('"' | '\'') => self.quoted()?.text(),
                Some(c) if c.is_ascii_alphabetic() || matches!(c, '_' | '$') => self.bare(),
                _ => return self.unexpected("a field's name in quotation marks"),
            };
            self.skip_blanks();
            if !self.take(':') {
                return self.unexpected("`:`");
            }
            let node = self.value(depth + 1)?;
            entries.push(Entry { key, at, node });
            if !self.goes_on('}')? {
                return Ok(Value::Map(entries));
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value, Stop> {
        self.next += 1;
        let mut items = Vec::new();
        self.skip_blanks();
        if self.take(']') {
            return Ok(Value::List(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            if !self.goes_on(']')? {
                return Ok(Value::List(items));
            }
        }
    }

    /// Behind a value: whether another follows, or `closing`.
    fn goes_on(&mut self, closing: char) -> Result<bool, Stop> {
        self.skip_blanks();
        let at = self.at();
        if self.take(closing) {
            return Ok(false);
        }
        if !self.take(',') {
            return self.unexpected(&format!("`,` or `{closing}`"));
        }
        self.skip_blanks();
        if !self.take(closing) {
            return Ok(true);
        }
        let message = format!("not JSON: a comma before `{closing}`, with no value behind it");
        let finding = Finding::fail(at, self.path, message)
            .hint("leave the comma out; MongoDB's manual has one in its example, and the server refuses it");
        self.findings.push(finding);
        Ok(false)
    }

    /// A string in quotation marks of either kind.
    fn quoted(&mut self) -> Result<Characters, Stop> {
        let (start, quote) = (self.at(), self.peek());
        self.next += 1;
        let mut list = Vec::new();
        loop {
            let at = self.at();
            let Some(c) = self.peek() else {
                let message = "not JSON: a string starts here and does not end";
                return Err(Finding::fail(start, self.path, message).into());
            };
            if Some(c) == quote {
                self.next += 1;
                return Ok(Characters { list, end: at });
            }
            if c < ' ' {
                let finding = self.stop("a line break or another control character within a string");
                let hint =
                    "close the string on its line, or write the character as `\\n`, `\\t` or `\\u` with four digits";
                return Err(finding.hint(hint).into());
            }
            self.next += 1;
            list.push((if c == '\\' { self.escape()? } else { c }, at));
        }
    }

    /// What stands behind a backslash.
    fn escape(&mut self) -> Result<char, Stop> {
        let Some(c) = self.peek() else { return self.unexpected("a character behind `\\`") };
        let plain = match c {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            'u' => {
                let digits = self.characters.list.get(self.next + 1..self.next + 5).unwrap_or_default();
                let digits: String = digits.iter().map(|(c, _)| c).collect();
                let code = if digits.chars().all(|c| c.is_ascii_hexdigit()) {
                    u32::from_str_radix(&digits, 16).ok()
                } else {
                    None
                };
                let Some(code) = code.filter(|_| digits.len() == 4) else {
                    return Err(self.stop("four hexadecimal digits must follow `\\u`").into());
                };
                self.next += 4;
                // Half of a surrogate pair, which the server does not put together either.
                char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            'x' | '0'..='7' => {
                return Err(self
                    .stop("the server knows no hexadecimal and no octal escape")
                    .hint("write `\\u` with four digits")
                    .into());
            }
            other => other,
        };
        self.next += 1;
        Ok(plain)
    }

    fn bare(&mut self) -> String {
        let mut word = String::new();
        while let Some(c) = self.peek().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '$')) {
            word.push(c);
            self.next += 1;
        }
        word
    }

    fn number(&mut self) -> Value {
        let mut text = String::new();
        while let Some(c) = self.peek().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '.')) {
            text.push(c);
            self.next += 1;
        }
        Value::Number(text)
    }

    fn word(&mut self) -> Result<Value, Stop> {
        let start = self.next;
        let word = self.bare();
        match word.as_str() {
            "null" | "undefined" => return Ok(Value::Null),
            "true" => return Ok(Value::Bool(true)),
            "false" => return Ok(Value::Bool(false)),
            "NumberInt" if self.take('(') => {
                self.skip_blanks();
                let number = self.number();
                self.skip_blanks();
                return if self.take(')') { Ok(number) } else { self.unexpected("`)`") };
            }
            _ => {}
        }
        self.next = start;
        let finding = self.stop(format!("`{}` is no value", foreign(&word)));
        Err(match word.to_ascii_lowercase().as_str() {
            lower @ ("true" | "false" | "null") => finding.hint(format!("write `{lower}`")),
            "none" => finding.hint("write `null`"),
            _ => finding.hint("a string stands in quotation marks"),
        }
        .into())
    }
}
