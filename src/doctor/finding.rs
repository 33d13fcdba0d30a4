//! What a check has found, and the page and the object that are made of all findings.

use serde_json::{Value, json};

use super::redact::Redactor;
use crate::error::{Error, Kind};
use crate::ui::report::{Mark, Row, Section};

/// Where on the page a check stands. What comes first is to be mended first: the rest hangs on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    Program,
    Machine,
    Provider,
    Keeping,
    Server,
}

impl Place {
    pub const ALL: [Self; 5] = [Self::Program, Self::Machine, Self::Provider, Self::Keeping, Self::Server];

    fn heading(self) -> &'static str {
        match self {
            Self::Program => "mdb-login",
            Self::Machine => "This machine",
            Self::Provider => "Provider",
            Self::Keeping => "Keeping",
            Self::Server => "MongoDB server",
        }
    }

    /// As it stands in `--json`.
    fn name(self) -> &'static str {
        match self {
            Self::Program => "program",
            Self::Machine => "machine",
            Self::Provider => "provider",
            Self::Keeping => "keeping",
            Self::Server => "server",
        }
    }
}

/// How it is with one thing, why, and what to do. Texts are safe to show, and may still name the person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// A word that stays the same, for programs and people.
    pub name: &'static str,
    pub mark: Mark,
    /// What kind of failure it is; of no meaning unless `mark` is [`Mark::Fail`].
    pub kind: Kind,
    pub text: String,
    pub notes: Vec<String>,
}

impl Finding {
    pub fn ok(name: &'static str, text: impl Into<String>) -> Self {
        Self { name, mark: Mark::Ok, kind: Kind::Failed, text: text.into(), notes: Vec::new() }
    }

    /// Not looked at; `why` is a clause.
    pub fn skip(name: &'static str, why: impl Into<String>) -> Self {
        Self { mark: Mark::Skip, ..Self::ok(name, why) }
    }

    pub fn warn(name: &'static str, text: impl Into<String>) -> Self {
        Self { mark: Mark::Warn, ..Self::ok(name, text) }
    }

    pub fn fail(name: &'static str, kind: Kind, text: impl Into<String>) -> Self {
        Self { mark: Mark::Fail, kind, ..Self::ok(name, text) }
    }

    /// An error in its own words, with its hints as what to do.
    pub fn failed(name: &'static str, error: &Error) -> Self {
        let causes = error.causes().iter().map(String::as_str);
        let text = std::iter::once(error.message()).chain(causes).collect::<Vec<_>>().join(": ");
        Self { notes: error.hints().to_vec(), ..Self::fail(name, error.kind(), text) }
    }

    /// The same, where it is bad news and no failure.
    pub fn warned(name: &'static str, error: &Error) -> Self {
        Self { mark: Mark::Warn, ..Self::failed(name, error) }
    }

    /// Adds why, or what to do: a complete command wherever there is one.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    fn redacted(self, redactor: &Redactor) -> Self {
        let notes = self.notes.iter().map(|note| redactor.apply(note)).collect();
        Self { text: redactor.apply(&self.text), notes, ..self }
    }
}

/// Everything that was found, in the order of the page, with nothing of the person in it.
pub struct Findings(Vec<(Place, Finding)>);

impl Findings {
    pub fn new(found: impl IntoIterator<Item = (Place, Finding)>, redactor: &Redactor) -> Self {
        let mut all: Vec<_> = found.into_iter().map(|(place, finding)| (place, finding.redacted(redactor))).collect();
        all.sort_by_key(|(place, _)| *place);
        Self(all)
    }

    fn marked(&self, mark: Mark) -> Vec<&Finding> {
        self.0.iter().map(|(_, finding)| finding).filter(|finding| finding.mark == mark).collect()
    }

    /// The page's sections.
    pub fn sections(&self) -> Vec<Section> {
        let section = |place: Place| Section {
            heading: place.heading().to_owned(),
            rows: self.0.iter().filter(|(at, _)| *at == place).map(|(_, finding)| row(finding)).collect(),
        };
        Place::ALL.into_iter().map(section).filter(|section| !section.rows.is_empty()).collect()
    }

    /// `docs/json/doctor.json`.
    pub fn object(&self) -> Value {
        let check = |(place, finding): &(Place, Finding)| {
            json!({
                "section": place.name(),
                "name": finding.name,
                "status": finding.mark.name(),
                "code": (finding.mark == Mark::Fail).then(|| finding.kind.name()),
                "text": finding.text,
                "notes": finding.notes,
            })
        };
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "target": super::program::target(),
            "exit_code": self.failure().map_or(0, |error| error.kind().exit_code()),
            "checks": self.0.iter().map(check).collect::<Vec<_>>(),
        })
    }

    /// The last words, if something failed. Their kind, hence the exit code, is that of the first failure on the page.
    pub fn failure(&self) -> Option<Error> {
        let failed = self.marked(Mark::Fail);
        let (kind, all) = (failed.first()?.kind, self.0.len());
        Some(Error::new(kind, format!("{} of {all} checks failed", failed.len())))
    }

    /// The last words, if nothing failed.
    pub fn summary(&self) -> String {
        match self.marked(Mark::Warn).len() {
            0 => "nothing is wrong".to_owned(),
            1 => "nothing is wrong, with one warning".to_owned(),
            many => format!("nothing is wrong, with {many} warnings"),
        }
    }
}

fn row(finding: &Finding) -> Row {
    let row = Row::new(finding.mark, finding.name.replace('_', " "), finding.text.as_str());
    finding.notes.iter().fold(row, |row, note| row.note(note.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failure_on_the_page_decides_and_warnings_do_not() {
        let redactor = Redactor::new(None, None, &[]);
        let of = |found: Vec<(Place, Finding)>| Findings::new(found, &redactor);
        let none = of(vec![(Place::Server, Finding::warn("pin", "x")), (Place::Program, Finding::skip("y", "z"))]);
        assert!(none.failure().is_none());
        assert_eq!(
            (none.summary().as_str(), &none.object()["exit_code"]),
            ("nothing is wrong, with one warning", &json!(0))
        );
        let some = of(vec![
            (Place::Server, Finding::fail("server", Kind::Unavailable, "x")),
            (Place::Machine, Finding::ok("browser", "x")),
            (Place::Machine, Finding::fail("redirect_port", Kind::PortTaken, "x")),
        ]);
        let error = some.failure().unwrap();
        assert_eq!(format!("{error:?}"), "[port_taken] 2 of 3 checks failed");
        let object = some.object();
        assert_eq!((&object["exit_code"], &object["checks"][0]["code"]), (&json!(9), &json!(null)));
        assert_eq!(object["checks"][2]["code"], "unavailable");
    }
}
