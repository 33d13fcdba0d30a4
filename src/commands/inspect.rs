//! `mdb-login inspect`: decode a token, and judge it as a MongoDB server would.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read};
use std::path::Path;

use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::server::check::fault;
use crate::cli::{GlobalArgs, InspectArgs, TokenSource};
use crate::error::{Error, Kind, Result};
use crate::federation::{self, Authorization, IdentityProvider};
use crate::oidc::access_token::flaw::Flaw;
use crate::oidc::access_token::mend::mend;
use crate::oidc::access_token::presented::Presented;
use crate::oidc::access_token::rules::{self, Identity, Judged};
use crate::secret::source::Source;
use crate::session::inspect::Inspection;
use crate::session::{Session, meant};
use crate::settings::{Settings, preview};
use crate::text_file::TextFile;
use crate::ui::report::{Mark, Page, Row, Section, report};
use crate::ui::{Ui, foreign, moment, shell_quoted, span};
use crate::vendor::Vendor;

/// Far more than a token may have, so that one that is too long can be told from what is no token at all.
const BYTES_MAX: u64 = 2 * 1024 * 1024;

pub fn run(args: &InspectArgs, global: &GlobalArgs, ui: &Ui) -> Result<()> {
    let request = args.request(global);
    let source = args.source();
    // Whose session it is has to be known for its token alone.
    let settings = if source == TokenSource::Session {
        meant::settings_to_connect(&request, &[], &|uri| format!("inspect {uri}"))?
    } else {
        preview(&request)?
    };
    let session = Session::new(&settings, ui)?;
    let providers = match &args.server_config {
        Some(path) if source == TokenSource::Stdin && path.as_os_str() == "-" => {
            return Err(Error::new(Kind::Usage, "token and configuration cannot both come from stdin"));
        }
        Some(path) if matches!(settings.client_secret, Some(Source::Stdin(_))) && path.as_os_str() == "-" => {
            return Err(Error::new(Kind::Usage, "client secret and configuration cannot both come from stdin"));
        }
        Some(path) => configured(path)?,
        None => expected(args, &settings),
    };
    let target = match &source {
        TokenSource::Session => settings.profile.clone(),
        TokenSource::File(path) => Some(path.to_string_lossy().into_owned()),
        TokenSource::Stdin => Some("-".to_owned()),
    };
    let presented = match source {
        TokenSource::Session => session.own_token(args.offline)?,
        TokenSource::File(path) => from_file(path)?,
        TokenSource::Stdin => from_stdin()?,
    };
    let inspection = session.inspect(&presented, &providers, args.offline)?;
    let command = target.map_or_else(
        || "mdb-login inspect".to_owned(),
        |target| format!("mdb-login inspect {}", shell_quoted(&target)),
    );
    let case = Findings { presented: &presented, inspection: &inspection, args, command };
    if ui.json {
        ui.object(case.object())?;
    } else {
        ui.data(case.page(Page::of_stdout()).as_bytes())?;
    }
    case.verdict()
}

/// What a server expects that has this configuration. One that would not start takes no tokens.
fn configured(path: &Path) -> Result<Vec<IdentityProvider>> {
    let file = TextFile::read(path)?;
    let reading = federation::read(file.text());
    match fault(&file, &reading.findings) {
        Some(fault) => {
            let path = shell_quoted(&path.to_string_lossy());
            Err(fault.hint(format!("a server would not start with it: run `mdb-login server check {path}`")))
        }
        None => Ok(reading.providers),
    }
}

/// What servers expect, as far as settings and flags tell; empty if they do not even name an issuer.
fn expected(args: &InspectArgs, settings: &Settings) -> Vec<IdentityProvider> {
    if settings.issuer.is_empty() || settings.audience.is_empty() {
        return Vec::new();
    }
    // Nobody puts programs into groups unless they are told to, and platforms have no claim for it.
    let by_user = args.no_group_claim || (settings.kind.is_program() && args.group_claim.is_none());
    let named = |given: &Option<String>, usual: &str| given.clone().unwrap_or_else(|| usual.to_owned());
    vec![IdentityProvider {
        auth_name_prefix: named(&args.prefix, "<prefix>"),
        client_id: Some(settings.client_id.clone()).filter(|id| !id.is_empty()),
        principal_name: named(&args.user_claim, federation::DEFAULT_PRINCIPAL_NAME),
        authorization: if by_user {
            Authorization::UserId
        } else {
            Authorization::GroupMembership(named(&args.group_claim, "groups"))
        },
        ..IdentityProvider::new(&settings.issuer, &settings.audience)
    }]
}

fn from_file(path: &Path) -> Result<Presented> {
    let shown = foreign(&path.display().to_string());
    let failed = |error: io::Error| {
        let is_missing = error.kind() == io::ErrorKind::NotFound;
        let error = Error::new(Kind::Failed, format!("cannot read the token from `{shown}`")).because(error);
        let hint = "TARGET is a file, a profile, or a connection string (`mongodb://HOST`)";
        if is_missing { error.hint(hint) } else { error }
    };
    let bytes = File::open(path).and_then(all_of).map_err(failed)?;
    // Drivers send a token file as it is.
    Ok(Presented::find(&bytes, true))
}

fn from_stdin() -> Result<Presented> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        // It would stay on the screen, and the terminal would cut it at 4,096 characters.
        return Err(Error::new(Kind::Usage, "stdin is a terminal, and a token does not belong there")
            .hint("pipe it: `pbpaste | mdb-login inspect -`, `mdb-login inspect - < FILE`"));
    }
    let bytes = all_of(stdin.lock())
        .map_err(|error| Error::new(Kind::Failed, "cannot read the token from stdin").because(error))?;
    Ok(Presented::find(&bytes, false))
}

fn all_of(reader: impl Read) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    reader.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err(io::Error::other("it is larger than 2 MiB, and no token is"));
    }
    Ok(bytes)
}

/// What there is to be told.
struct Findings<'a> {
    presented: &'a Presented,
    inspection: &'a Inspection<'a>,
    args: &'a InspectArgs,
    /// The command that looks at the same token.
    command: String,
}

/// Claims in the order in which people look for them; the others follow by name.
const FIRST: [&str; 6] = ["iss", "aud", "sub", "exp", "nbf", "iat"];

/// Claims that are moments (OIDC Core §2, RFC 7519 §4.1).
const MOMENTS: [&str; 6] = ["exp", "nbf", "iat", "auth_time", "updated_at", "xms_tcdt"];

/// More members than a page is good for; `--json` has them all.
const ROWS_MAX: usize = 50;

impl Findings<'_> {
    fn claims(&self) -> Option<&Map<String, Value>> {
        self.presented.jwt().ok().map(|jwt| &jwt.claims)
    }

    fn identity(&self) -> Identity {
        let found = self.claims().zip(self.inspection.provider);
        found.map_or(Identity { user: None, roles: None }, |(claims, provider)| rules::identity(claims, provider))
    }

    fn accepted(&self) -> Option<bool> {
        rules::accepted(&self.inspection.judged)
    }

    /// Whose provider has made the token, as far as addresses tell.
    fn vendor(&self) -> Vendor {
        let issuer = self.claims().and_then(|claims| claims.get("iss")).and_then(Value::as_str);
        let expected = self.inspection.provider.map(|provider| provider.issuer.as_str());
        let known = |issuer: &str| Some(Vendor::of(issuer)).filter(|vendor| *vendor != Vendor::Generic);
        [issuer, expected].into_iter().flatten().find_map(known).unwrap_or(Vendor::Generic)
    }

    /// What mends a rule that is broken, or may become so.
    fn mend(&self, judged: &Judged) -> Option<String> {
        let flaw = judged.flaw()?;
        let words = mend(flaw, self.vendor());
        match flaw {
            Flaw::NoGroups(_) if self.args.server_config.is_none() && self.args.group_claim.is_none() => Some(format!(
                "{}; if the server takes roles from elsewhere, say so: `--group-claim CLAIM`, `--no-group-claim`",
                words.unwrap_or_default()
            )),
            _ => words,
        }
    }

    fn object(&self) -> Value {
        let identity = self.identity();
        let rule = |judged: &Judged| {
            json!({
                "rule": judged.rule.name(),
                "result": judged.mark().name(),
                "message": judged.message(),
                "mend": self.mend(judged),
            })
        };
        json!({
            "token": self.presented.jwt().ok().map(|jwt| json!({ "header": jwt.header, "claims": jwt.claims })),
            "rules": self.inspection.judged.iter().map(rule).collect::<Vec<_>>(),
            "provider": self.inspection.provider.map(|one| json!({
                "issuer": one.issuer,
                "audience": one.audience,
                "prefix": one.auth_name_prefix,
            })),
            "user": identity.user,
            "roles": identity.roles,
            "accepted": self.accepted(),
        })
    }

    fn page(&self, page: Page) -> String {
        let mut sections = Vec::new();
        if let Ok(jwt) = self.presented.jwt() {
            sections.push(section("Header", self.members(&jwt.header)));
            sections.push(section("Claims", self.members(&jwt.claims)));
        }
        let row = |judged: &Judged| {
            let row = Row::new(judged.mark(), judged.rule.name().replace('_', " "), judged.message());
            self.mend(judged).into_iter().fold(row, |row, mend| row.note(format!("hint: {mend}")))
        };
        sections.push(section("Rules", self.inspection.judged.iter().map(row).collect()));
        sections.push(section("MongoDB", self.at_mongodb()));
        report(&sections, page)
    }

    fn members(&self, members: &Map<String, Value>) -> Vec<Row> {
        let rest = members.iter().filter(|(name, _)| !FIRST.contains(&name.as_str()));
        let first = FIRST.iter().filter_map(|name| members.get_key_value(*name));
        let mut rows: Vec<Row> =
            first.chain(rest).take(ROWS_MAX).map(|(name, value)| self.member(name, value)).collect();
        if members.len() > ROWS_MAX {
            rows.push(Row::new(None, "…", format!("and {} more; `--json` has them all", members.len() - ROWS_MAX)));
        }
        rows
    }

    fn member(&self, name: &str, value: &Value) -> Row {
        let time = Some(value).filter(|_| MOMENTS.contains(&name)).and_then(|value| time(value, self.inspection.now));
        let shown = match value {
            Value::String(text) => foreign(text),
            Value::Array(list) if list.is_empty() => "none".to_owned(),
            Value::Array(list) => {
                let texts = list.iter().map(Value::as_str).collect::<Option<Vec<_>>>();
                foreign(&texts.map_or_else(|| value.to_string(), |texts| texts.join(", ")))
            }
            other => foreign(&other.to_string()),
        };
        // A label is as wide as its column, for all others too.
        let label: String = name.chars().take(32).collect();
        Row::new(None, foreign(&label), time.unwrap_or(shown))
    }

    fn at_mongodb(&self) -> Vec<Row> {
        let verdict = match self.accepted() {
            Some(true) => "takes the token",
            Some(false) => "refuses the token",
            None => "it cannot be said what a server does",
        };
        let mut rows = vec![Row::new(None, "server", verdict)];
        let Some(provider) = self.inspection.provider else {
            if self.args.server_config.is_some() && self.presented.jwt().is_ok() {
                rows.push(Row::new(None, "provider", "none of the server's"));
            }
            return rows;
        };
        if self.args.server_config.is_some() {
            let [prefix, issuer, audience] =
                [&provider.auth_name_prefix, &provider.issuer, &provider.audience].map(|text| foreign(text));
            rows.push(Row::new(None, "provider", format!("{prefix}: {issuer}, audience {audience}")));
        }
        let would = if self.accepted() == Some(false) { ", if it took it" } else { "" };
        let identity = self.identity();
        let user =
            identity.user.as_ref().map_or("nobody".to_owned(), |user| format!("{} at $external{would}", foreign(user)));
        rows.push(Row::new(None, "user", user));
        let roles = match (&provider.authorization, identity.roles) {
            (Authorization::UserId, _) => "those of the user's document, which has to exist in $external".to_owned(),
            (_, Some(roles)) if !roles.is_empty() => {
                let shown = roles.iter().take(ROWS_MAX).map(|role| format!("{} at admin", foreign(role)));
                let more = roles.len().checked_sub(ROWS_MAX + 1).map(|more| format!("and {} more", more + 1));
                shown.chain(more).collect::<Vec<_>>().join(", ")
            }
            _ => "none".to_owned(),
        };
        rows.push(Row::new(None, "roles", roles));
        rows
    }

    /// The exit code, and the reason for it.
    fn verdict(&self) -> Result<()> {
        let judged = &self.inspection.judged;
        match self.accepted() {
            Some(true) => Ok(()),
            Some(false) => {
                let broken = judged.iter().find(|judged| judged.mark() == Mark::Fail);
                let why = broken.map(Judged::message).unwrap_or_default();
                let error = Error::new(Kind::Denied, format!("a MongoDB server would refuse this token: {why}"));
                Err(broken.and_then(|judged| self.mend(judged)).into_iter().fold(error, Error::hint))
            }
            None if self.inspection.provider.is_none() => {
                let command = &self.command;
                Err(Error::new(Kind::Config, "nobody has said what the MongoDB server expects of a token")
                    .hint(format!("give its configuration: `{command} --server-config FILE`"))
                    .hint(format!("or its issuer and audience: `{command} --issuer ISSUER --audience AUDIENCE`")))
            }
            None => {
                let unknown = judged.iter().find(|judged| judged.is_undecided());
                let why = unknown.map(Judged::message).unwrap_or_default();
                Err(Error::new(Kind::Unavailable, "it cannot be said whether a MongoDB server would take this token")
                    .because_of(why)
                    .hint("nothing else is wrong with it; try again where the provider can be reached"))
            }
        }
    }
}

fn section(heading: &str, rows: Vec<Row>) -> Section {
    Section { heading: heading.to_owned(), rows }
}

/// A moment in seconds since 1970, and how far away it is; `None` for what is none.
fn time(value: &Value, now: u64) -> Option<String> {
    let seconds = value.as_f64().filter(|seconds| (0.0..1e12).contains(seconds))? as u64;
    let away =
        if seconds > now { format!("in {}", span(seconds - now)) } else { format!("{} ago", span(now - seconds)) };
    Some(format!("{} ({away})", moment(seconds)))
}
