//! What there is to know of a vendor's product, as data.
//!
//! Texts may have places in them, such as `{client_id}`, that [`fill`] fills; which there are is said at [`Known`].

use super::issuer::{Flaw, Piece};

/// What is to be set up at a vendor's provider, and what comes of it for the profile and for the server.
#[derive(Debug)]
pub struct Recipe {
    /// As on the command line: `entra`.
    pub name: &'static str,
    /// As its maker calls it: `Microsoft Entra ID`.
    pub product: &'static str,
    /// Where its administrators begin; empty if everybody has one of their own.
    pub console: &'static str,
    /// The settings, in the order of the console.
    pub steps: &'static [Step],
    /// What looks right and is not: a word or two, and why.
    pub pitfalls: &'static [(&'static str, &'static str)],

    /// The issuer, with a place for each of the pieces; `None` if it cannot be made of anything.
    pub issuer: Option<&'static str>,
    /// Where the issuer is found, for those who want to copy it.
    pub issuer_place: &'static str,
    pub pieces: &'static [Piece],
    /// What an issuer of this product has to look like, beyond being one: as it is written, and as a URL.
    pub judge_issuer: fn(&str, &url::Url) -> Result<(), Flaw>,
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
    /// The claim that names the user.
    pub user_claim: &'static str,
    /// The claim that lists the groups; `None` if it has no such claim, and users are authorized one by one.
    pub group_claim: Option<&'static str>,
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
}

/// What fills the places of a recipe's texts.
#[derive(Clone, Debug)]
pub struct Known {
    /// `{redirect_uri}`: one or several, as they are to be registered.
    pub redirect_uri: String,
    /// `{client_id}`
    pub client_id: String,
    /// `{audience}`
    pub audience: String,
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
                ("user_claim", &self.user_claim),
                ("group_claim", &self.group_claim),
            ],
        )
    }

    /// The steps of `recipe` that are to be taken, with their values.
    pub fn steps(&self, recipe: &Recipe) -> Vec<(&'static Step, String)> {
        let needed = |step: &&Step| step.when == When::Always || !self.group_claim.is_empty();
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

    fn known(group_claim: &str) -> Known {
        Known {
            redirect_uri: "http://localhost:27097/redirect".to_owned(),
            client_id: "0oa1".to_owned(),
            audience: "0oa1".to_owned(),
            user_claim: "sub".to_owned(),
            group_claim: group_claim.to_owned(),
        }
    }

    /// Every page says what MongoDB's clients need, and no place is misspelt.
    #[test]
    fn every_recipe_is_complete() {
        for recipe in Vendor::ALL.map(Vendor::recipe) {
            let steps = known("groups").steps(recipe);
            let fields: Vec<&str> = steps.iter().map(|(step, _)| step.field).collect();
            let always = [
                "application",
                "redirect URI",
                "grant types",
                "refresh token",
                "device code",
                "audience",
                "user claim",
            ];
            for field in always {
                assert!(fields.contains(&field), "{}: no {field}", recipe.name);
            }
            assert_eq!(fields.contains(&"groups claim"), recipe.group_claim.is_some(), "{}", recipe.name);
            for (step, value) in &steps {
                assert!(
                    !value.is_empty() && !value.contains('{') || value.contains("setCustomClaim"),
                    "{}: {value}",
                    recipe.name
                );
                assert!(
                    !value.ends_with('.')
                        && !step.note.ends_with('.')
                        && !step.place.unwrap_or_default().ends_with('.'),
                    "{value}"
                );
            }
            for text in recipe.scopes {
                assert!(!known("").fill(text).contains('{'), "{text}");
            }
            assert!(
                !recipe.pitfalls.is_empty() && !recipe.client_id_place.is_empty() && !recipe.issuer_place.is_empty()
            );
            let redirect = steps.iter().find(|(step, _)| step.field == "redirect URI").unwrap();
            assert!(redirect.1.contains("http://localhost:27097/redirect"), "{}", redirect.1);
        }
    }

    #[test]
    fn without_groups_nobody_is_told_of_a_groups_claim() {
        for recipe in Vendor::ALL.map(Vendor::recipe) {
            let steps = known("").steps(recipe);
            assert!(
                steps.iter().all(|(step, value)| step.when == When::Always && !value.contains("{")),
                "{}",
                recipe.name
            );
        }
    }
}
