//! The database behind it all: collections in memory, and as much of the commands as people type into a shell.

use std::collections::BTreeMap;

use bson::oid::ObjectId;
use bson::{Bson, Document, doc};

use super::failure::{BAD_VALUE, Failure, UNRECOGNIZED_STAGE};

/// Documents by database and collection.
#[derive(Default)]
pub(super) struct Data(BTreeMap<(String, String), Vec<Document>>);

type Answer = Result<Document, Failure>;

impl Data {
    pub fn insert(&mut self, database: &str, command: &Document) -> Answer {
        let collection = argument(command, "insert")?;
        let documents = self.0.entry((database.to_owned(), collection.to_owned())).or_default();
        let new = command.get_array("documents").map_err(|_| Failure::new(BAD_VALUE, "`documents` is no array"))?;
        let (mut inserted, mut errors) = (0, Vec::new());
        for (index, new) in new.iter().filter_map(Bson::as_document).enumerate() {
            // The server puts `_id` first, and makes one if there is none.
            let id = new.get("_id").cloned().unwrap_or_else(|| ObjectId::new().into());
            if documents.iter().any(|known| known.get("_id") == Some(&id)) {
                let message = format!("E11000 duplicate key error collection: {database}.{collection} index: _id_");
                errors.push(doc! { "index": index as i32, "code": 11000, "errmsg": message });
                continue;
            }
            let mut whole = doc! { "_id": id };
            whole.extend(new.clone());
            documents.push(whole);
            inserted += 1;
        }
        let mut answer = doc! { "n": inserted };
        if !errors.is_empty() {
            answer.insert("writeErrors", errors);
        }
        Ok(answer)
    }

    pub fn find(&self, database: &str, command: &Document) -> Answer {
        let collection = argument(command, "find")?;
        let mut found = self.matching(database, collection, command.get_document("filter").ok())?;
        found.drain(..count(command.get("skip")).min(found.len()));
        if let limit @ 1.. = count(command.get("limit")) {
            found.truncate(limit);
        }
        Ok(cursor(&format!("{database}.{collection}"), found))
    }

    pub fn count(&self, database: &str, command: &Document) -> Answer {
        let found = self.matching(database, argument(command, "count")?, command.get_document("query").ok())?;
        Ok(doc! { "n": found.len() as i32 })
    }

    /// `$match`, `$skip`, `$limit`, and the `$group` that counts.
    pub fn aggregate(&self, database: &str, command: &Document) -> Answer {
        let collection = argument(command, "aggregate")?;
        let mut found = self.matching(database, collection, None)?;
        let pipeline = command.get_array("pipeline").map_err(|_| Failure::new(BAD_VALUE, "`pipeline` is no array"))?;
        for stage in pipeline.iter().filter_map(Bson::as_document) {
            match stage.iter().next().map(|(name, argument)| (name.as_str(), argument)) {
                Some(("$match", Bson::Document(filter))) => found = select(&found, filter)?,
                Some(("$skip", number)) => drop(found.drain(..count(Some(number)).min(found.len()))),
                Some(("$limit", number)) => found.truncate(count(Some(number))),
                Some(("$group", Bson::Document(group))) => found = counted(&found, group)?,
                Some((name, _)) => {
                    let message = format!("Unrecognized pipeline stage name: '{name}'");
                    return Err(Failure::new(UNRECOGNIZED_STAGE, message));
                }
                None => return Err(Failure::new(BAD_VALUE, "an empty pipeline stage")),
            }
        }
        Ok(cursor(&format!("{database}.{collection}"), found))
    }

    pub fn list_collections(&self, database: &str) -> Document {
        let names = self.0.keys().filter(|(of, _)| of == database).map(|(_, collection)| collection);
        let entries = names.map(|name| doc! { "name": name, "type": "collection", "options": {}, "info": {} });
        cursor(&format!("{database}.$cmd.listCollections"), entries.collect())
    }

    pub fn list_databases(&self) -> Document {
        let mut names: Vec<&str> = vec!["admin"];
        names.extend(self.0.keys().map(|(database, _)| database.as_str()));
        names.dedup();
        let entries: Vec<Document> =
            names.into_iter().map(|name| doc! { "name": name, "sizeOnDisk": 8192_i64, "empty": false }).collect();
        doc! { "totalSize": 8192 * entries.len() as i64, "databases": entries }
    }

    fn matching(&self, database: &str, collection: &str, filter: Option<&Document>) -> Result<Vec<Document>, Failure> {
        let all = self.0.get(&(database.to_owned(), collection.to_owned())).map(Vec::as_slice).unwrap_or_default();
        select(all, filter.unwrap_or(&Document::new()))
    }
}

/// The documents that have every field of `filter`. Operators are refused rather than taken for values.
fn select(documents: &[Document], filter: &Document) -> Result<Vec<Document>, Failure> {
    let operator = |document: &Document| document.keys().find(|name| name.starts_with('$')).cloned();
    let nested = filter.values().filter_map(Bson::as_document).find_map(operator);
    if let Some(name) = operator(filter).or(nested) {
        return Err(Failure::new(BAD_VALUE, format!("unknown operator: {name}")));
    }
    let fits = |document: &&Document| filter.iter().all(|(name, value)| document.get(name) == Some(value));
    Ok(documents.iter().filter(fits).cloned().collect())
}

/// `{_id: x, n: {$sum: 1}}`, what drivers send for countDocuments. No documents make no group.
fn counted(documents: &[Document], group: &Document) -> Result<Vec<Document>, Failure> {
    let sum = group.get_document("n").ok().and_then(|sum| sum.get("$sum"));
    if group.len() != 2 || count(sum) != 1 {
        return Err(Failure::new(BAD_VALUE, "of $group there is only counting here"));
    }
    let id = group.get("_id").cloned().unwrap_or(Bson::Null);
    Ok(if documents.is_empty() { Vec::new() } else { vec![doc! { "_id": id, "n": documents.len() as i32 }] })
}

/// The whole result in the first batch.
fn cursor(namespace: &str, documents: Vec<Document>) -> Document {
    doc! { "cursor": { "id": 0_i64, "ns": namespace, "firstBatch": documents } }
}

fn argument<'a>(command: &'a Document, name: &str) -> Result<&'a str, Failure> {
    command.get_str(name).map_err(|_| Failure::new(BAD_VALUE, format!("`{name}` names no collection")))
}

/// A number that a driver may send as any of three types.
fn count(number: Option<&Bson>) -> usize {
    match number {
        Some(Bson::Int32(number)) => usize::try_from(*number).unwrap_or_default(),
        Some(Bson::Int64(number)) => usize::try_from(*number).unwrap_or_default(),
        Some(Bson::Double(number)) => *number as usize,
        _ => 0,
    }
}
