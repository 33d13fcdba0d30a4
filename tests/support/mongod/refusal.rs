//! Why a sign-in was refused: what the real server writes into its log, and never tells the client.

/// One broken rule. The texts are for people who read a failed test.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the payload is not a BSON document with the step's fields")]
    Payload,
    #[error("no identity provider for the principal {0:?}")]
    NoProviderFor(Option<String>),
    #[error("several identity providers, and no principal to choose one by")]
    SeveralProviders,

    #[error("not three base64url parts with JSON in the first two")]
    Form,
    #[error("`{0}` is there twice")]
    Twice(String),
    #[error("header `typ` is `{0}`, not `JWT`")]
    Type(String),
    #[error("header `alg` is `{0}`")]
    Algorithm(String),
    #[error("no `kid` in the header")]
    NoKeyId,
    #[error("claim `{0}` is missing, or not of its type")]
    Claim(&'static str),
    #[error("`iss` is `{0}`, which no identity provider has")]
    Issuer(String),
    #[error("`aud` is `{0}`, which no identity provider of this issuer has")]
    Audience(String),
    #[error("`aud` has {0} values, not one")]
    Audiences(usize),
    #[error("the provider's keys cannot be had: {0}")]
    KeySet(String),
    #[error("no key has the `kid` `{0}`")]
    UnknownKey(String),
    #[error("the key is not one for `{0}`")]
    WrongKey(String),
    #[error("the signature does not fit")]
    Signature,
    #[error("`exp` has passed")]
    Expired,
    #[error("`nbf` has not come")]
    NotYet,
    #[error("principal claim `{0}` is missing, or not a string")]
    Principal(String),
    #[error("authorization claim `{0}` is missing, or neither a string nor an array of strings")]
    Groups(String),
    #[error("`{0:?}` cannot be a name")]
    Name(String),

    #[error("no user `{0}` in `$external`")]
    UnknownUser(String),
    /// A connection belongs to one user for good, re-authentication included.
    #[error("the connection is `{0}`'s")]
    OtherUser(String),
}
