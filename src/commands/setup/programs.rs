//! What is different when a program is set up, and not people: where its tokens come from, and what a MongoDB server needs
//! of the provider.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::page;
use super::profile::Change;
use crate::error::{Error, Kind, Result};
use crate::oidc::access_token::keys::Keys;
use crate::session::Session;
use crate::settings::{SessionKind, Settings};
use crate::ui::report::{Mark, Row, Section};
use crate::ui::{foreign, shell_quoted};
use crate::vendor::issuer::Issuer;
use crate::vendor::recipe::{Known, Programs, Way};

/// The other ways in which programs of this vendor's get tokens.
pub fn other_ways(programs: &Programs, way: &Way) -> Option<Section> {
    let others = programs.ways.iter().filter(|other| other.kind != way.kind);
    let rows: Vec<Row> = others.map(|other| Row::new(None, format!("`--kind {}`", other.kind), other.about)).collect();
    (!rows.is_empty()).then(|| Section { heading: "Other programs".to_owned(), rows })
}

/// What the person needs of the provider's beside the issuer.
pub fn to_take(programs: &Programs, is_client: bool) -> Vec<Row> {
    let client =
        is_client.then(|| Row::new(None, "client id", "of the program's own registration").note("`--client-id ID`"));
    let audience = Row::new(None, programs.audience, programs.audience_place)
        .note(format!("`--audience {}`", programs.audience_flag));
    client.into_iter().chain([audience]).collect()
}

/// What the provider says, as far as a MongoDB server and this program need it.
///
/// # Errors
/// Where a server would find no keys: nothing that is set up then would be of use.
pub async fn checks(way: &Way, issuer: &Issuer, session: &Session<'_>, settings: &Settings) -> Result<Vec<Row>> {
    let shown = foreign(&issuer.issuer);
    match session.server_keys().await? {
        Keys::Loaded(_) => {}
        Keys::Unusable(why) => {
            return Err(Error::new(Kind::Config, format!("a MongoDB server would find no keys at `{shown}`"))
                .because_of(why)
                .hint(
                    "check the issuer; discovery document and keys have to be there for everybody, without signing in",
                ));
        }
        Keys::Unknown(why) => {
            return Err(Error::new(Kind::Unavailable, format!("the keys of `{shown}` cannot be asked for"))
                .because_of(why)
                .hint("check the issuer, the network and the proxy, then try again"));
        }
    }
    let mut rows = vec![page::named(issuer), Row::new(Mark::Ok, "keys", "a MongoDB server can load them")];
    if way.is_client {
        let endpoint = session.token_endpoint().await?;
        rows.push(Row::new(Mark::Ok, "token endpoint", foreign(endpoint.url.as_str())));
    }
    if settings.kind == SessionKind::Kubernetes && settings.source_file.is_none() && settings.identity.is_none() {
        rows.push(Row::new(Mark::Warn, "token", "the usual one of the pod, which is for the API server alone").note(
            "say where the projected one is: `--source-file PATH`, or whose to ask for: `--identity NAMESPACE/NAME`",
        ));
    }
    Ok(rows)
}

/// What goes where there is no profile (a container, a job), and what a driver is told that needs no help.
pub fn elsewhere(way: &Way, changes: &[Change], known: &Known) -> Vec<Section> {
    let variable = |(setting, input): &Change| {
        let value = input.as_ref()?.to_string();
        Some(Row::new(None, setting.env, foreign(&shell_quoted(&value))))
    };
    let rows = changes.iter().filter_map(variable).collect();
    let mut sections = vec![Section { heading: "The same as variables, where there is no profile".to_owned(), rows }];
    // A comma ends a property, however it is written.
    if let Some(properties) = way.built_in.filter(|_| !known.audience.contains(',') && !known.resource.contains(',')) {
        let encoded = |text: &str| utf8_percent_encode(text, OF_URIS).to_string();
        let known = Known { audience: encoded(&known.audience), resource: encoded(&known.resource), ..known.clone() };
        let options = format!("?authMechanism=MONGODB-OIDC&authMechanismProperties={}", known.fill(properties));
        let rows = vec![Row::new(None, "connection string", options).note(way.built_in_note)];
        sections.push(Section { heading: "A driver with built-in authentication".to_owned(), rows });
    }
    sections
}

/// What stands in an address as it is (RFC 3986 §2.3).
const OF_URIS: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
