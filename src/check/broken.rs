//! Where a text stops being PromQL. The parser says only that it is none, so it is asked again: up to which word can the text be
//! completed to a query? Owns the completions; must stay bounded, since each is a parse.

use promql_parser::parser::parse;

use super::Place;
use super::words::Words;

/// What the parser says where the grammar has no place for a word.
pub(super) const NO_QUERY: &str = "invalid promql query";
/// What may follow where a query breaks off: an operand, arguments, both.
const COMPLETIONS: [&str; 4] = ["", " x", "(x)", "(x)(x)"];
/// Words of a text that is looked into: each costs a few parses.
const MAX_WORDS: usize = 128;

/// The first word that the grammar has no place for, or the end of the text where one is missing.
pub(super) fn stop(text: &str, words: &Words<'_>) -> Option<(Place, &'static str)> {
    let words = words.list();
    if words.len() > MAX_WORDS {
        return None;
    }
    // Another complaint than that of the grammar is one about meaning: so far it could be read.
    let is_read = |query: &str| parse(query).map_or_else(|said| said != NO_QUERY, |_| true);
    let could_go_on = |count: &usize| {
        let Some((at, last)) = count.checked_sub(1).and_then(|index| words.get(index)) else { return true };
        let begun = &text[..at + last.len()];
        let open: i32 = words[..*count].iter().map(|(_, word)| i32::from(*word == "(") - i32::from(*word == ")")).sum();
        let close = ")".repeat(usize::try_from(open).unwrap_or(0));
        COMPLETIONS.iter().any(|completion| is_read(&format!("{begun}{completion}{close}")))
    };
    let read = (0..=words.len()).rev().find(could_go_on)?;
    Some(match words.get(read) {
        Some((at, word)) => (Place::of(text, *at, word.len()), "this has no place here in PromQL"),
        None => {
            let (at, last) = words.last()?;
            (Place::of(text, *at, last.len()), "the query breaks off behind this")
        }
    })
}
