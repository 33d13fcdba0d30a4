//! Strict JSON for answers from strangers: an object, no duplicate keys, limited depth.
//!
//! serde_json keeps the last of two equal keys; another parser on the way may keep the first. An attacker who can add a
//! key must not be able to choose which of the two we act on (RFC 8725 §2.6, RFC 8259 §4).

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Far more than any metadata document or token needs.
const MAX_DEPTH: usize = 32;

/// Parses `bytes` as one JSON object. The error is a short English reason without any of the content.
pub fn object(bytes: &[u8]) -> Result<Map<String, Value>, String> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { depth: MAX_DEPTH }
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value))
        .map_err(|error| describe(&error))?;
    match value {
        Value::Object(map) => Ok(map),
        _ => Err("it is not a JSON object".to_owned()),
    }
}

/// serde_json's text may quote content, which may be a token; only our own remarks are passed on.
fn describe(error: &serde_json::Error) -> String {
    let text = error.to_string();
    for remark in [DUPLICATE, TOO_DEEP] {
        if text.contains(remark) {
            return remark.to_owned();
        }
    }
    format!("it is not valid JSON (line {}, column {})", error.line(), error.column())
}

const DUPLICATE: &str = "a key occurs twice";
const TOO_DEEP: &str = "it is nested too deeply";

#[derive(Clone, Copy)]
struct Strict {
    depth: usize,
}

impl Strict {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        self.depth.checked_sub(1).map(|depth| Self { depth }).ok_or_else(|| E::custom(TOO_DEEP))
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(inner)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut map = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            let value = access.next_value_seed(inner)?;
            if map.insert(key, value).is_some() {
                return Err(A::Error::custom(DUPLICATE));
            }
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_two_parsers_could_read_differently() {
        for (text, reason) in [
            (r#"{"a":1,"a":2}"#, DUPLICATE),
            (r#"{"x":{"a":1,"b":[{"a":1,"a":1}]}}"#, DUPLICATE),
            ("[]", "it is not a JSON object"),
            ("null", "it is not a JSON object"),
            ("", "it is not valid JSON (line 1, column 0)"),
            ("\u{feff}{}", "it is not valid JSON (line 1, column 1)"),
            (r#"{"a":1} x"#, "it is not valid JSON (line 1, column 9)"),
            (r#"{"token":"sec"ret"}"#, "it is not valid JSON (line 1, column 15)"),
        ] {
            assert_eq!(object(text.as_bytes()).unwrap_err(), reason, "{text}");
        }
        let deep = |n: usize| format!("{{\"a\":{}1{}}}", "[".repeat(n), "]".repeat(n));
        assert!(object(deep(MAX_DEPTH - 1).as_bytes()).is_ok());
        assert_eq!(object(deep(MAX_DEPTH).as_bytes()).unwrap_err(), TOO_DEEP);
        assert_eq!(object(deep(20_000).as_bytes()).unwrap_err(), TOO_DEEP);
    }

    proptest::proptest! {
        #[test]
        fn accepts_what_serde_json_writes(keys in proptest::collection::btree_map(".*", proptest::num::i64::ANY, 0..8)) {
            let map: Map<String, Value> = keys.into_iter().map(|(key, value)| (key, value.into())).collect();
            let text = Value::Object(map.clone()).to_string();
            proptest::prop_assert_eq!(object(text.as_bytes()), Ok(map));
        }
    }
}
