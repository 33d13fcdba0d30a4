//! What must not stand in a ticket: who the person is, and where their home is.
//!
//! Secrets never get as far as a finding. Names do, in paths, in commands that hints give, and in what servers answer.

use std::path::Path;

/// Takes the person out of a text.
pub struct Redactor {
    /// What is looked for and what takes its place, longest first.
    replaced: Vec<(String, &'static str)>,
}

const HOME: &str = "~";
const USER: &str = "[user]";
const EMAIL: &str = "[e-mail]";

impl Redactor {
    /// `home` as the environment has it, `login` the name of the user at this computer, `names` those by which providers
    /// and servers know the person.
    pub fn new(home: Option<&Path>, login: Option<&str>, names: &[&str]) -> Self {
        let mut replaced = Vec::new();
        let mut home_at = |path: &Path| {
            let text = path.to_string_lossy();
            // Of a user without a home of its own (`/`) nothing can be told by it.
            if path.components().count() > 1 && path.is_absolute() {
                replaced.push((text.trim_end_matches('/').to_owned(), HOME));
            }
        };
        if let Some(home) = home {
            home_at(home);
            home.canonicalize().iter().for_each(|real| home_at(real));
        }
        replaced.extend(names.iter().filter(|name| !name.is_empty()).map(|name| ((*name).to_owned(), USER)));
        // As a part of a path only: somebody may be called `mongodb`.
        if let Some(login) = login.filter(|login| !login.is_empty()) {
            replaced.extend(['/', '\\'].map(|separator| (format!("{separator}{login}"), "/[user]")));
        }
        replaced.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
        replaced.dedup();
        Self { replaced }
    }

    pub fn apply(&self, text: &str) -> String {
        let mut text = without_user_info(text);
        for (from, to) in &self.replaced {
            text = replace_words(&text, from, to);
        }
        without_addresses(&text)
    }
}

/// Replaces `from` where it is not a part of a longer word: `/home/ada` is not in `/home/adalbert`.
fn replace_words(text: &str, from: &str, to: &str) -> String {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(from) {
        let inside =
            |first: Option<char>, second: Option<char>| first.is_some_and(is_part) && second.is_some_and(is_part);
        let starts_inside = inside(before.chars().next_back().or_else(|| out.chars().next_back()), from.chars().next());
        let ends_inside = inside(from.chars().next_back(), after.chars().next());
        out.push_str(before);
        out.push_str(if starts_inside || ends_inside { from } else { to });
        rest = after;
    }
    out + rest
}

/// Replaces what stands before the host of a URL: the user of a connection string, the password of a proxy.
fn without_user_info(text: &str) -> String {
    const SCHEME: &str = "://";
    let mut parts = text.split(SCHEME);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str(SCHEME);
        let end = part.find(|c: char| c.is_whitespace() || "/?#`'\"".contains(c)).unwrap_or(part.len());
        let (authority, rest) = part.split_at(end);
        match authority.rsplit_once('@') {
            Some((_, host)) => out.extend([USER, "@", host]),
            None => out.push_str(authority),
        }
        out.push_str(rest);
    }
    out
}

/// Replaces what looks like the address of a mailbox.
fn without_addresses(text: &str) -> String {
    let local = |c: char| c.is_alphanumeric() || ".!#$&*+-=?^_{|}~%".contains(c);
    let domain = |c: char| c.is_alphanumeric() || c == '.' || c == '-';
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('@') {
        let start =
            before.char_indices().rev().take_while(|(_, c)| local(*c)).last().map_or(before.len(), |(at, _)| at);
        let end = after.find(|c| !domain(c)).unwrap_or(after.len());
        let (name, host) = (before.get(start..).unwrap_or_default(), after.get(..end).unwrap_or_default());
        let top = host.trim_end_matches('.').rsplit_once('.').map_or("", |(_, top)| top);
        if name.is_empty() || top.len() < 2 || !top.chars().all(char::is_alphabetic) {
            out.push_str(before);
            out.push('@');
            rest = after;
        } else {
            out.push_str(before.get(..start).unwrap_or_default());
            out.push_str(EMAIL);
            rest = after.get(end..).unwrap_or_default();
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn who_and_where_the_person_is_does_not_stay() {
        let redactor = Redactor::new(Some(Path::new("/home/ada")), Some("ada"), &["ada.lovelace", "ada@corp", ""]);
        for (text, expected) in [
            ("`/home/ada/.config/mdb-login/config.toml` is not used", "`~/.config/mdb-login/config.toml` is not used"),
            ("cannot open /home/ada: denied", "cannot open ~: denied"),
            ("/home/adalbert/x and /home/ada-2", "/home/adalbert/x and /home/ada-2"),
            ("/srv/users/ada/state", "/srv/users/[user]/state"),
            ("ada runs adaptive programs", "ada runs adaptive programs"),
            ("run `mdb-login login --login-hint ada.lovelace`", "run `mdb-login login --login-hint [user]`"),
            ("no provider for the user `ada@corp`", "no provider for the user `[user]`"),
            (
                "run `mdb-login login 'mongodb://grace%40x:y@db.example.com/?tls=true'`",
                "run `mdb-login login 'mongodb://[user]@db.example.com/?tls=true'`",
            ),
            ("http://a:b@c@proxy:1, https://idp/x@y and ://@", "http://[user]@proxy:1, https://idp/x@y and ://[user]@"),
            ("write to grace.hopper+x@mail.example.com.", "write to [e-mail]"),
            ("(grace@example.com)", "([e-mail])"),
            ("ssh ada@10.0.0.7 and @example.com and a@b", "ssh ada@10.0.0.7 and @example.com and a@b"),
            ("https://login.example.com/0b1c/v2.0", "https://login.example.com/0b1c/v2.0"),
        ] {
            assert_eq!(redactor.apply(text), expected);
        }
    }

    #[test]
    fn a_user_without_a_home_or_a_name_loses_nothing_else() {
        for home in [None, Some("/"), Some(""), Some("relative")] {
            let redactor = Redactor::new(home.map(Path::new), Some(""), &[]);
            assert_eq!(redactor.apply("/etc/x relative//"), "/etc/x relative//");
        }
    }

    proptest! {
        #[test]
        fn a_name_is_gone_wherever_it_stands_by_itself(before in "[ -~]{0,20}", after in "[ -~]{0,20}") {
            let redactor = Redactor::new(Some(Path::new("/home/ada")), None, &["lovelace"]);
            let text = redactor.apply(&format!("{before} `lovelace` /home/ada/x {after}"));
            prop_assert!(!text.contains("`lovelace`") && !text.contains(" /home/ada/x "), "{text}");
        }
    }
}
