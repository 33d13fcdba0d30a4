//! What there is to know of a vendor's product, as data.
//!
//! Texts may have places in them, such as `{client_id}`, that [`fill`] fills; which there are is said at [`Known`].

use super::issuer::Issuers;

/// What is to be set up at a vendor's, for people or for programs.
#[derive(Debug)]
pub struct Recipe {
    /// As its maker calls it: `Microsoft Entra ID`.
    pub product: &'static str,
    /// Where its administrators begin; empty if everybody has one of their own.
    pub console: &'static str,
    /// The settings, in the order of the console.
    pub steps: &'static [Step],
    /// What looks right and is not: a word or two, and why.
    pub pitfalls: &'static [(&'static str, &'static str)],
    pub issuers: &'static Issuers,
    /// The claim that names the user.
    pub user_claim: &'static str,
    /// The claim that lists the groups; `None` if it has no such claim, and users are authorized one by one.
    pub group_claim: Option<&'static str>,
}

/// The recipe for people, and what comes of it for the profile with which they sign in.
#[derive(Debug)]
pub struct People {
    pub recipe: Recipe,
    pub client_id_place: &'static str,
    /// Scopes to ask for beside `openid` and `offline_access`. Those that the server is to ask for, too.
    pub scopes: &'static [&'static str],
    /// Its access tokens are of no use to MongoDB, and the ID token is handed over instead.
    pub id_token: bool,
    /// Parameters of the authorization request.
    pub auth_params: &'static [(&'static str, &'static str)],
    /// It gives a secret to native applications, too, and wants to see it.
    pub wants_secret: bool,
    /// Its metadata do not speak of PKCE, and it has it all the same.
    pub pkce_is_unsaid: bool,
}

/// The recipe for programs, and the ways in which they get tokens.
#[derive(Debug)]
pub struct Programs {
    pub recipe: Recipe,
    /// What the audience is here.
    pub audience: &'static str,
    /// Where it comes from.
    pub audience_place: &'static str,
    /// What stands for it in a command.
    pub audience_flag: &'static str,
    /// The usual one first.
    pub ways: &'static [Way],
}

/// Where programs of one kind get their tokens.
#[derive(Debug)]
pub struct Way {
    /// As the setting `kind` has it.
    pub kind: &'static str,
    /// Which programs these are.
    pub about: &'static str,
    /// The setting `resource`.
    pub resource: Option<&'static str>,
    /// The setting `scope`.
    pub scope: Option<&'static str>,
    /// It is a client of the provider: it has an id there, and a secret or a key.
    pub is_client: bool,
    /// The mechanism's properties with which a driver gets the token by itself.
    pub built_in: Option<&'static str>,
    /// What a driver needs besides.
    pub built_in_note: &'static str,
}

impl Programs {
    /// The way of a kind; the usual one of no kind, where a client id says that it is a client.
    pub fn way(&self, kind: Option<&str>, has_client_id: bool) -> Option<&'static Way> {
        match kind {
            Some(kind) => self.ways.iter().find(|way| way.kind == kind),
            None => self.ways.iter().find(|way| way.is_client == has_client_id).or(self.ways.first()),
        }
    }
}

/// One setting at the provider.
#[derive(Debug)]
pub struct Step {
    /// What it is, in the field's own words.
    pub field: &'static str,
    /// What it has to be.
    pub value: &'static str,
    /// Where in the console, empty if everybody's is another; `None` if it is so from the start, and nothing is to be done.
    pub place: Option<&'static str>,
    /// Why, or what else; may be empty.
    pub note: &'static str,
    pub when: When,
}

/// Who needs a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    Always,
    /// Those who authorize by group membership.
    Groups,
    /// Programs that get their tokens in this way.
    Kind(&'static str),
}

impl Step {
    pub const fn new(field: &'static str, value: &'static str, place: &'static str) -> Self {
        Self { field, value, place: Some(place), note: "", when: When::Always }
    }

    /// What is so from the start.
    pub const fn given(field: &'static str, value: &'static str) -> Self {
        Self { field, value, place: None, note: "", when: When::Always }
    }

    pub const fn note(self, note: &'static str) -> Self {
        Self { note, ..self }
    }

    pub const fn for_groups(self) -> Self {
        Self { when: When::Groups, ..self }
    }

    pub const fn for_kind(self, kind: &'static str) -> Self {
        Self { when: When::Kind(kind), ..self }
    }
}

/// What fills the places of a recipe's texts.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The kind of programs; empty for people. It fills no place, and chooses among the steps.
    pub kind: String,
    /// `{redirect_uri}`: one or several, as they are to be registered.
    pub redirect_uri: String,
    /// `{client_id}`
    pub client_id: String,
    /// `{audience}`
    pub audience: String,
    /// `{resource}`: what programs ask their platform for.
    pub resource: String,
    /// `{user_claim}`
    pub user_claim: String,
    /// `{group_claim}`; empty where users are authorized one by one.
    pub group_claim: String,
}

impl Known {
    /// `text` with its places filled.
    pub fn fill(&self, text: &str) -> String {
        fill(
            text,
            &[
                ("redirect_uri", &self.redirect_uri),
                ("client_id", &self.client_id),
                ("audience", &self.audience),
                ("resource", &self.resource),
                ("user_claim", &self.user_claim),
                ("group_claim", &self.group_claim),
            ],
        )
    }

    /// The steps of `recipe` that are to be taken, with their values.
    pub fn steps(&self, recipe: &Recipe) -> Vec<(&'static Step, String)> {
        let needed = |step: &&Step| match step.when {
            When::Always => true,
            When::Groups => !self.group_claim.is_empty(),
            When::Kind(kind) => kind == self.kind,
        };
        recipe.steps.iter().filter(needed).map(|step| (step, self.fill(step.value))).collect()
    }
}

/// `template` with each `{name}` replaced. What is filled in is not looked at again, whatever it contains; a name that is
/// not known stays as it is.
pub fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, place)) = rest.split_once('{') {
        text.push_str(before);
        let found = place.split_once('}').and_then(|(name, after)| {
            let (_, value) = values.iter().find(|(known, _)| *known == name)?;
            Some((value, after))
        });
        match found {
            Some((value, after)) => {
                text.push_str(value);
                rest = after;
            }
            None => {
                text.push('{');
                rest = place;
            }
        }
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vendor::Vendor;

    #[test]
    fn places_are_filled_once() {
        let values = [("a", "{b}"), ("b", "x")];
        for (template, expected) in [
            ("", ""),
            ("{a}{b}", "{b}x"),
            ("no place", "no place"),
            ("{c} {", "{c} {"),
            ("{ {b}", "{ x"),
            ("}{b}", "}x"),
        ] {
            assert_eq!(fill(template, &values), expected, "{template}");
        }
    }

    fn known(kind: &str, group_claim: &str) -> Known {
        Known {
            kind: kind.to_owned(),
            redirect_uri: "http://localhost:27097/redirect".to_owned(),
            client_id: "0oa1".to_owned(),
            audience: "0oa1".to_owned(),
            resource: "api://0oa1".to_owned(),
            user_claim: "sub".to_owned(),
            group_claim: group_claim.to_owned(),
        }
    }

    fn for_people() -> impl Iterator<Item = &'static People> {
        Vendor::ALL.into_iter().filter_map(Vendor::people)
    }

    /// Every recipe for programs, with each of its ways.
    fn for_programs() -> impl Iterator<Item = (&'static Programs, &'static Way)> {
        let all = Vendor::ALL.into_iter().filter_map(Vendor::programs);
        all.flat_map(|programs| programs.ways.iter().map(move |way| (programs, way)))
    }

    /// Every step is said, no place is misspelt, and these `fields` are there.
    fn check(recipe: &Recipe, known: &Known, fields: &[&str]) {
        let steps = known.steps(recipe);
        let found: Vec<&str> = steps.iter().map(|(step, _)| step.field).collect();
        for field in fields {
            assert!(found.contains(field), "{}: no {field}", recipe.product);
        }
        assert_eq!(found.contains(&"groups claim"), recipe.group_claim.is_some(), "{}", recipe.product);
        for (step, value) in &steps {
            let is_code = ["setCustomClaim", "serviceAccountToken", "--query"].iter().any(|code| value.contains(code));
            assert!(!value.is_empty() && (!value.contains('{') || is_code), "{}: {value}", recipe.product);
            let texts = [value.as_str(), step.note, step.place.unwrap_or_default()];
            assert!(!texts.iter().any(|text| text.ends_with('.')), "{value}");
        }
        assert!(!recipe.pitfalls.is_empty() && !recipe.issuers.place.is_empty(), "{}", recipe.product);
    }

    /// Every page says what MongoDB's clients need.
    #[test]
    fn every_recipe_is_complete() {
        let fields =
            ["application", "redirect URI", "grant types", "refresh token", "device code", "audience", "user claim"];
        for people in for_people() {
            check(&people.recipe, &known("", "groups"), &fields);
            for text in people.scopes {
                assert!(!known("", "").fill(text).contains('{'), "{text}");
            }
            assert!(!people.client_id_place.is_empty());
            let steps = known("", "groups").steps(&people.recipe);
            let redirect = steps.iter().find(|(step, _)| step.field == "redirect URI").unwrap();
            assert!(redirect.1.contains("http://localhost:27097/redirect"), "{}", redirect.1);
        }
        for (programs, way) in for_programs() {
            let known = known(way.kind, "groups");
            check(&programs.recipe, &known, &["audience", "user claim"]);
            for text in [way.resource, way.scope, way.built_in].into_iter().flatten() {
                assert!(!known.fill(text).contains('{'), "{text}");
            }
            let texts = [way.about, programs.audience, programs.audience_place, programs.audience_flag];
            assert!(!texts.contains(&""), "{}", way.kind);
        }
    }

    #[test]
    fn without_groups_nobody_is_told_of_a_groups_claim() {
        let recipes = for_people().map(|people| ("", &people.recipe));
        for (kind, recipe) in recipes.chain(for_programs().map(|(programs, way)| (way.kind, &programs.recipe))) {
            for (step, value) in known(kind, "").steps(recipe) {
                assert!(step.when != When::Groups && !value.contains("{group_claim}"), "{}: {value}", recipe.product);
            }
        }
    }

    #[test]
    fn a_client_id_means_the_way_of_a_client() {
        let way = |vendor: Vendor, kind, has_client_id| {
            vendor.programs().unwrap().way(kind, has_client_id).map(|way| way.kind)
        };
        assert_eq!(way(Vendor::Entra, None, false), Some("azure-managed-identity"));
        assert_eq!(way(Vendor::Entra, None, true), Some("client-credentials"));
        assert_eq!(way(Vendor::Entra, Some("azure-managed-identity"), true), Some("azure-managed-identity"));
        assert_eq!(way(Vendor::Entra, Some("gcp"), false), None);
        assert_eq!(way(Vendor::Google, None, true), Some("gcp"));
        assert_eq!(way(Vendor::Generic, None, false), Some("client-credentials"));
    }
}
