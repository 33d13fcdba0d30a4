//! GitHub Actions. Facts from GitHub's documentation (OpenID Connect reference; permissions of `GITHUB_TOKEN`).

use super::issuer::{Flaw, Issuers};
use super::recipe::{Programs, Recipe, Step, Way};

const ISSUER: &str = "https://token.actions.githubusercontent.com";

pub static PROGRAMS: Programs = Programs {
    recipe: Recipe {
        product: "GitHub Actions",
        console: "https://github.com",
        steps: &[
            Step::new("permission", "`id-token: write`", "the workflow's file > permissions, or jobs > … > permissions")
                .note("`contents: read` has to be said beside it, since what is not named there is taken away"),
            Step::new("environment", "optional: `environment: production`, with reviewers or branches of its own", "Settings > Environments")
                .note("the subject is then `repo:OWNER/NAME:environment:production`"),
            Step::given("user claim", "`{user_claim}`: `repo:OWNER/NAME:ref:refs/heads/BRANCH`")
                .note("`repo:OWNER/NAME:pull_request` is that of pull requests; with `--user-claim repository` all runs of a repository are one user"),
            Step::given("audience", "{audience}").note("free to choose: it is asked for by name"),
        ],
        pitfalls: &[
            (
                "everybody's issuer",
                "any repository in the world gets a token for any audience: have users authorized one by one, each with \
                 its whole subject",
            ),
            ("pull requests", "whoever may push a branch can run it: give rights to the subject of a branch or environment that is protected"),
            ("no groups", "these tokens list no groups: each subject has a user of its own in `$external`"),
            ("renamed", "a renamed repository, branch or environment has another subject, and no user until there is one"),
        ],
        issuers: &ISSUERS,
        user_claim: "sub",
        group_claim: None,
    },
    audience: "audience",
    audience_place: "free to choose, such as `mongodb://orders`",
    audience_flag: "AUDIENCE",
    ways: &[Way {
        kind: "github-actions",
        about: "a run of a workflow",
        resource: None,
        scope: None,
        is_client: false,
        built_in: None,
        built_in_note: "",
    }],
};

static ISSUERS: Issuers = Issuers {
    template: Some(ISSUER),
    place: "the same for everybody; GitHub Enterprise Server has `https://HOSTNAME/_services/token`",
    pieces: &[],
    judge: judge_issuer,
};

fn judge_issuer(issuer: &str, url: &url::Url) -> Result<(), Flaw> {
    if url.host_str() == Some("token.actions.githubusercontent.com") && !is_github_s(issuer) {
        return Err(
            Flaw::new(format!("must be `{ISSUER}`, with no slash at its end")).instead(format!("--issuer {ISSUER}"))
        );
    }
    Ok(())
}

/// GitHub's own, or that of an enterprise which has its name in it (`include_enterprise_slug`).
fn is_github_s(issuer: &str) -> bool {
    issuer.strip_prefix(ISSUER).is_some_and(|rest| {
        let slug = rest.strip_prefix('/');
        rest.is_empty() || slug.is_some_and(|slug| !slug.is_empty() && !slug.contains('/'))
    })
}
