//! A token as it was handed over: what is in it, and what stands around it: the line break of an `echo`, quotes, `Bearer`,
//! the whole answer of a token endpoint.

use std::borrow::Cow;
use std::fmt;

use serde_json::Value;
use zeroize::Zeroizing;

use super::flaw::Flaw;
use crate::oidc::{DecodedJwt, decode, json};
use crate::secret::Secret;

/// A token, decoded and not verified.
pub struct Presented {
    text: Secret,
    jwt: Result<DecodedJwt, Flaw>,
    around: Vec<Around>,
    verbatim: bool,
}

/// What was handed over in place of a token. Nothing of it is quoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoToken {
    #[error("it is empty")]
    Empty,
    #[error("it is neither a token nor any other text")]
    Binary,
    #[error("it is a JSON object without a member `access_token` or `id_token`")]
    Object,
    #[error("it is a page of HTML")]
    Html,
}

/// What stands around a token, and is no part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Around {
    /// UTF-16, with its mark in front: what `>` writes in Windows PowerShell.
    Utf16,
    /// The mark that some editors put in front of UTF-8.
    ByteOrderMark,
    /// Nothing but one line break, behind it.
    LineBreak,
    Space,
    Quotes,
    Bearer,
    /// A JSON object; the member that the token was taken from.
    Object(&'static str),
}

impl fmt::Display for Around {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Utf16 => f.write_str("it is written in UTF-16, as Windows PowerShell's `>` does"),
            Self::ByteOrderMark => f.write_str("there is a byte order mark in front of it"),
            Self::LineBreak => f.write_str("there is a line break behind it"),
            Self::Space => f.write_str("there are spaces or line breaks around it"),
            Self::Quotes => f.write_str("there are quotes around it"),
            Self::Bearer => f.write_str("there is `Bearer` in front of it, as in an HTTP header"),
            Self::Object(member) => write!(f, "it stands in a JSON object, as `{member}`"),
        }
    }
}

/// Members of a JSON object that may be the token, the likeliest first: a token endpoint's answer (RFC 6749 §5.1), and
/// what `mdb-login token --output json` prints.
const MEMBERS: [&str; 3] = ["access_token", "id_token", "token"];

impl Presented {
    /// A token and nothing else.
    pub fn bare(token: &Secret) -> Self {
        Self::new(Ok(token.clone()), Vec::new(), true)
    }

    /// Finds the token in `bytes`. `verbatim`: a driver would send all of them to the server, as it does with a token file.
    pub fn find(bytes: &[u8], verbatim: bool) -> Self {
        let mut around = Vec::new();
        let token = text(bytes, &mut around).and_then(|text| innermost(text, &mut around));
        Self::new(token, around, verbatim)
    }

    fn new(token: Result<Secret, NoToken>, around: Vec<Around>, verbatim: bool) -> Self {
        let jwt = match &token {
            Ok(token) => decode(token.expose()).map_err(Flaw::NotJwt),
            Err(why) => Err(Flaw::NoToken(*why)),
        };
        Self { text: token.unwrap_or_else(|_| Secret::new("")), jwt, around, verbatim }
    }

    /// The token alone; empty if there is none.
    pub fn text(&self) -> &Secret {
        &self.text
    }

    /// # Errors
    /// Why it is no JWT.
    pub fn jwt(&self) -> Result<&DecodedJwt, &Flaw> {
        self.jwt.as_ref()
    }

    /// Outermost first.
    pub fn around(&self) -> &[Around] {
        &self.around
    }

    /// Whether a server would be sent what is around the token, too.
    pub fn is_verbatim(&self) -> bool {
        self.verbatim
    }
}

fn text<'a>(bytes: &'a [u8], around: &mut Vec<Around>) -> Result<Cow<'a, str>, NoToken> {
    let utf16 = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes.chunks_exact(2).filter_map(|pair| Some(unit(pair.try_into().ok()?))).collect();
        String::from_utf16(&units).map(Cow::Owned).map_err(|_| NoToken::Binary)
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => {
            around.push(Around::Utf16);
            utf16(rest, u16::from_le_bytes)
        }
        [0xfe, 0xff, rest @ ..] => {
            around.push(Around::Utf16);
            utf16(rest, u16::from_be_bytes)
        }
        _ => {
            let text = std::str::from_utf8(bytes).map_err(|_| NoToken::Binary)?;
            let unmarked = text.strip_prefix('\u{feff}');
            around.extend(unmarked.map(|_| Around::ByteOrderMark));
            Ok(Cow::Borrowed(unmarked.unwrap_or(text)))
        }
    }
}

fn innermost(text: Cow<'_, str>, around: &mut Vec<Around>) -> Result<Secret, NoToken> {
    let mut rest = Zeroizing::new(text.into_owned());
    // Each turn takes something off; nobody wraps a token more often than this.
    for _ in 0..8 {
        let Some((what, inner)) = unwrapped(&rest) else { break };
        around.push(what);
        rest = Zeroizing::new(inner);
    }
    match rest.chars().next() {
        None => Err(NoToken::Empty),
        Some('{') => Err(NoToken::Object),
        Some('<') => Err(NoToken::Html),
        Some(_) => Ok(Secret::new(rest.as_str())),
    }
}

/// `text` with its outermost layer taken off; `None` if there is none.
fn unwrapped(text: &str) -> Option<(Around, String)> {
    let trimmed = text.trim();
    if trimmed.len() < text.len() {
        let is_line_break = ["\n", "\r\n"].iter().any(|end| text.strip_suffix(end) == Some(trimmed));
        return Some((if is_line_break { Around::LineBreak } else { Around::Space }, trimmed.to_owned()));
    }
    for quote in ['"', '\'', '`'] {
        if let Some(inner) = text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            return Some((Around::Quotes, inner.to_owned()));
        }
    }
    for prefix in ["authorization:", "bearer "] {
        if let Some((head, rest)) = text.split_at_checked(prefix.len())
            && head.eq_ignore_ascii_case(prefix)
        {
            return Some((Around::Bearer, rest.to_owned()));
        }
    }
    if !text.starts_with('{') {
        return None;
    }
    let object = json::object(text.as_bytes()).ok()?;
    let found = MEMBERS.iter().find_map(|member| Some((*member, object.get(*member).and_then(Value::as_str)?)));
    found.map(|(member, token)| (Around::Object(member), token.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_whatever_stands_around_it() {
        use Around::{Bearer, ByteOrderMark, LineBreak, Object, Quotes, Space, Utf16};
        let utf16 = |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
        for (bytes, around) in [
            (b"a.b.c".to_vec(), vec![]),
            (b"a.b.c\n".to_vec(), vec![LineBreak]),
            (b"a.b.c\r\n".to_vec(), vec![LineBreak]),
            (b"a.b.c\n\n".to_vec(), vec![Space]),
            (b" a.b.c".to_vec(), vec![Space]),
            (b"\"a.b.c\"".to_vec(), vec![Quotes]),
            (b"'a.b.c'\n".to_vec(), vec![LineBreak, Quotes]),
            (b"Bearer a.b.c".to_vec(), vec![Bearer]),
            (b"bearer  a.b.c".to_vec(), vec![Bearer, Space]),
            (b"Authorization: Bearer a.b.c\n".to_vec(), vec![LineBreak, Bearer, Space, Bearer]),
            (b"\xef\xbb\xbfa.b.c".to_vec(), vec![ByteOrderMark]),
            ([b"\xff\xfe".to_vec(), utf16("a.b.c\r\n")].concat(), vec![Utf16, LineBreak]),
            (
                br#"{"access_token":"a.b.c","id_token":"x.y.z","refresh_token":"r"}"#.to_vec(),
                vec![Object("access_token")],
            ),
            (b"{\"id_token\": \"a.b.c\"}\n".to_vec(), vec![LineBreak, Object("id_token")]),
        ] {
            let presented = Presented::find(&bytes, false);
            assert_eq!((presented.text().expose(), presented.around()), ("a.b.c", around.as_slice()));
        }
    }

    #[test]
    fn what_is_no_token_is_said_to_be_what_it_is() {
        for (bytes, why) in [
            (&b""[..], NoToken::Empty),
            (b"\n \n", NoToken::Empty),
            (b"\"\"", NoToken::Empty),
            (b"\x1f\x8b\x08\x00\xff", NoToken::Binary),
            (b"\xff\xfe\x00\xd8", NoToken::Binary),
            (b"{\"error\":\"invalid_grant\"}", NoToken::Object),
            (b"{\"access_token\":5}", NoToken::Object),
            (b"<!doctype html>", NoToken::Html),
        ] {
            assert_eq!(Presented::find(bytes, false).jwt().err(), Some(&Flaw::NoToken(why)), "{bytes:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_come_to_an_end(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _ = Presented::find(&bytes, true);
        }
    }
}
