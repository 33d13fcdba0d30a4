//! `--interactive`: one question after the other, each judged at once and asked again until it will do.

use super::{SetUp, judge, read_issuer};
use crate::error::{Error, Kind, Result};
use crate::federation::choices::{Authorize, check_name, check_text};
use crate::settings::{self, schema};
use crate::ui::keyboard::Keyboard;
use crate::ui::{Ui, foreign};
use crate::vendor::issuer::{self, Issuer};

/// The one reader of answers.
pub struct Questions<'a> {
    ui: &'a Ui,
    keyboard: Keyboard,
}

impl<'a> Questions<'a> {
    pub fn new(ui: &'a Ui) -> Self {
        Self { ui, keyboard: Keyboard::default() }
    }

    /// Asks until `read` takes the answer; an empty one is the default, where there is one.
    ///
    /// # Errors
    /// `Kind::LoginRequired` where the input has ended: nobody is there any more.
    async fn ask<T>(
        &mut self,
        question: &str,
        default: Option<&str>,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T> {
        loop {
            self.keyboard.ask();
            let shown = default.map(|default| format!(" [{}]", foreign(default))).unwrap_or_default();
            self.ui.prompt(&format!("{question}{shown}: "));
            let Some(line) = self.keyboard.line().await else {
                self.ui.tell("");
                return Err(Error::new(Kind::LoginRequired, "the input has ended before everything was answered")
                    .because_of("nothing was written"));
            };
            let answer = match (line.trim(), default) {
                ("", Some(default)) => default,
                (answer, _) => answer,
            };
            match read(answer) {
                Ok(answer) => return Ok(answer),
                Err(why) => self.ui.tell(format!("that {why}")),
            }
        }
    }

    /// Yes, or anything else.
    pub async fn confirm(&mut self, question: &str) -> Result<bool> {
        self.keyboard.ask();
        self.ui.prompt(&format!("{question} [y/N] "));
        let answer = self.keyboard.line().await.unwrap_or_default();
        Ok(["y", "yes"].contains(&answer.trim().to_lowercase().as_str()))
    }
}

impl SetUp<'_> {
    /// Asks for everything that was not typed.
    pub(super) async fn ask(&mut self) -> Result<()> {
        self.ui.tell("");
        if self.issuer.is_none() {
            self.issuer = Some(self.ask_for_issuer().await?);
        }
        if self.client_id.is_none() {
            let question = format!("Client id ({})", self.recipe.client_id_place);
            let read = |answer: &str| judge(&schema::CLIENT_ID, &[answer.to_owned()]).map(|()| answer.to_owned());
            self.client_id = Some(self.questions.ask(&question, None, read).await?);
        }
        if self.recipe.wants_secret && !self.has_flag(&schema::CLIENT_SECRET_FILE) {
            let read = |answer: &str| match answer {
                "none" => Ok(None),
                path => judge(&schema::CLIENT_SECRET_FILE, &[path.to_owned()]).map(|()| Some(path.to_owned())),
            };
            if let Some(path) = self.questions.ask("File with the client secret", Some("none"), read).await? {
                self.request.flags.push((&schema::CLIENT_SECRET_FILE, "--client-secret-file", vec![path]));
            }
        }
        if self.request.profile.is_none() {
            let read = |answer: &str| settings::profile_name(answer).map(|()| answer.to_owned());
            let default = self.name.clone();
            self.name = self.questions.ask("Name of the profile, which people type", Some(&default), read).await?;
        }
        if self.args.federation.is_authorization_open() {
            self.ask_for_authorization().await?;
        }
        if self.choices.name.is_none() {
            let default = self.name.replace('.', "-");
            let read = |answer: &str| check_name(answer).map(|()| answer.to_owned());
            let question = "Configuration name, which names of users and roles begin with";
            self.choices.name = Some(self.questions.ask(question, Some(&default), read).await?);
        }
        Ok(())
    }

    async fn ask_for_issuer(&mut self) -> Result<Issuer> {
        let vendor = self.vendor;
        if self.recipe.pieces.is_empty() {
            let question = format!("Issuer ({})", self.recipe.issuer_place);
            let read = |answer: &str| read_issuer(vendor, answer).map_err(|flaw| flaw.to_string());
            return self.questions.ask(&question, None, read).await;
        }
        let mut answers: Vec<(&'static str, String)> = Vec::new();
        for piece in self.recipe.pieces {
            let question = format!("{} ({})", piece.name, piece.place);
            let read = |answer: &str| (piece.read)(answer).map_err(|flaw| flaw.to_string());
            answers.push((piece.flag, self.questions.ask(&question, piece.default, read).await?));
        }
        let given: Vec<(&'static str, &str)> = answers.iter().map(|(flag, answer)| (*flag, answer.as_str())).collect();
        let made = issuer::make(self.recipe, &given).map_err(|(flag, flaw)| super::flawed(flag, flaw))?;
        made.ok_or_else(|| Error::new(Kind::Failed, "no issuer can be made of that"))
    }

    async fn ask_for_authorization(&mut self) -> Result<()> {
        let default = if self.recipe.group_claim.is_some() { "groups" } else { "user" };
        let read = |answer: &str| match answer {
            "groups" => Ok(Authorize::Groups),
            "user" => Ok(Authorize::User),
            _ => Err("must be `groups` or `user`".to_owned()),
        };
        let question = "Roles come from the groups in a token, or from a user for each person (groups, user)";
        let authorize = self.questions.ask(question, Some(default), read).await?;
        self.choices.authorize = Some(authorize);
        if authorize == Authorize::Groups && self.recipe.group_claim.is_none() {
            let read = |answer: &str| check_text(answer).map(|()| answer.to_owned());
            self.choices.group_claim = Some(self.questions.ask("Claim that lists the groups", None, read).await?);
        }
        Ok(())
    }
}
