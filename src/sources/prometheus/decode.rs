//! Decodes the answer of Prometheus' HTTP API to an instant query, from the raw bytes. Owns what is JSON about Prometheus;
//! must not know HTTP, clocks or policies.
//!
//! Two passes. The first finds the parts of the envelope and steps over `data` without building it, so that an error answer is
//! recognised whatever else it carries. The second streams the series of `data`, stops at the first thing that is not a number
//! and at the limit, and keeps 16 bytes a series, or the labels that were asked for as well (`labels`). Stepping over a value needs no recursion (serde_json does it with a loop),
//! so depth costs a byte a level and never the stack.

mod labels;
mod series;

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

pub use self::labels::{LabelledAnswer, SeriesLabels, decode_each, decode_labelled};
use self::series::{Collector, Keep};
use super::text::one_line;
use crate::engine::{Absence, Timestamp};

/// How many warnings, and how many infos, of one answer are kept. Prometheus itself sends at most 11 of each.
pub const MAX_NOTES: usize = 16;
/// Characters kept of one warning or info: enough for a sentence and a metric's name.
pub const MAX_NOTE_CHARS: usize = 300;
/// Characters kept of the sentence in an error answer; a status message has to stay readable.
pub const MAX_ERROR_CHARS: usize = 200;
/// Characters kept of a type's name, which is one short word in any sane answer.
const MAX_WORD_CHARS: usize = 40;
/// Characters kept of what the JSON parser says.
const MAX_DETAIL_CHARS: usize = 120;

/// What a successful answer holds.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Answer {
    /// One point a series, in the order of the answer; a scalar is one point. May be empty, and values may be NaN or infinite.
    pub points: Vec<Point>,
    /// What the server warns of; of Thanos, Mimir and remote reads this is how missing data shows.
    pub warnings: Notes,
    /// Remarks on the query that the server does not call warnings.
    pub infos: Notes,
    /// The server says itself that data is missing (`isPartial` of a VictoriaMetrics cluster).
    pub declared_partial: bool,
}

/// The number of one series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// The value as the server holds it; may be NaN or infinite.
    pub value: f64,
    /// The instant it stands for.
    pub at: Timestamp,
}

/// Warnings or infos of one answer, bounded by [`MAX_NOTES`] and [`MAX_NOTE_CHARS`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Notes {
    /// The first ones, each on one line.
    pub texts: Vec<String>,
    /// How many more there were.
    pub omitted: usize,
}

/// Why an answer holds no numbers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The server says that it failed (`"status":"error"`).
    #[error("Prometheus says: {message}")]
    Refused {
        /// `errorType` as sent, one word; may be empty or unknown.
        kind: String,
        /// `error` as sent, on one line of at most [`MAX_ERROR_CHARS`].
        message: String,
    },
    /// `resultType` is neither `vector` nor `scalar`.
    #[error(
        "The query yields a {found} where one number is needed; write it so that it yields an instant vector or a scalar."
    )]
    WrongType {
        /// The type's name as sent, one word.
        found: String,
    },
    /// A series holds a native histogram.
    #[error(
        "The query yields a native histogram where one number is needed; reduce it with histogram_quantile(), histogram_sum() \
         or histogram_count()."
    )]
    Histogram,
    /// More series than the limit.
    #[error(
        "The answer holds more than {limit} series, which is the limit; aggregate the query, for example with sum()."
    )]
    TooManySeries {
        /// The limit.
        limit: usize,
    },
    /// The body is empty.
    #[error("The server answered with an empty body, not with the Prometheus API; check the address of the source.")]
    EmptyBody,
    /// The body is a page for browsers.
    #[error("The server answered with an HTML page, not with the Prometheus API; check the address of the source.")]
    Html,
    /// The body ends in the middle.
    #[error("The answer ends in the middle; the connection or a proxy cut it off.")]
    Truncated,
    /// The body is not JSON, or not the JSON that the protocol promises.
    #[error("The answer is not what the Prometheus API promises ({detail}); check the address of the source.")]
    Malformed {
        /// What was expected and where, without the body's text.
        detail: String,
    },
}

impl DecodeError {
    /// The class of the absence that this error leads to.
    #[must_use]
    pub fn absence(&self) -> Absence {
        match self {
            Self::Refused { kind, .. } => match kind.as_str() {
                "bad_data" | "execution" => Absence::BadQuery,
                "timeout" => Absence::Timeout,
                // `canceled`, `internal`, `unavailable`, `too_many_requests` and whatever comes next: the server's trouble.
                _ => Absence::Unavailable,
            },
            Self::WrongType { .. } | Self::Histogram => Absence::WrongType,
            Self::TooManySeries { .. } => Absence::TooManySeries,
            Self::EmptyBody | Self::Html | Self::Truncated | Self::Malformed { .. } => Absence::Malformed,
        }
    }

    /// The CamelCase word for conditions, events and metric labels.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        self.absence().reason()
    }

    /// What the parser says, cut before it quotes the body, whose text does not belong in a status, and before the position,
    /// which counts from the part that was parsed and would mislead.
    fn from_json(error: &serde_json::Error) -> Self {
        if error.is_eof() {
            return Self::Truncated;
        }
        let text = error.to_string();
        let without_position = text.split(" at line ").next().unwrap_or_default();
        let without_body = without_position.split('"').next().unwrap_or_default().trim_end();
        Self::Malformed { detail: one_line(without_body, MAX_DETAIL_CHARS) }
    }
}

/// Decodes `body`, the answer to an instant query, and holds at most `max_series` series.
///
/// # Errors
/// Whatever keeps the answer from being a list of numbers, see [`DecodeError`].
pub fn decode(body: &[u8], max_series: usize) -> Result<Answer, DecodeError> {
    let (points, answer) = decode_into(Vec::new(), body, max_series)?;
    Ok(Answer { points, ..answer })
}

/// Decodes `body` and gives every series to `keep`. The answer beside it is without points.
fn decode_into<'a, K: Keep<'a>>(keep: K, body: &'a [u8], max_series: usize) -> Result<(K, Answer), DecodeError> {
    match body.trim_ascii_start().first() {
        None => return Err(DecodeError::EmptyBody),
        Some(b'<') => return Err(DecodeError::Html),
        Some(b'{') => {}
        Some(_) => return Err(DecodeError::Malformed { detail: "the body is not a JSON object".to_owned() }),
    }
    let envelope: Envelope<'_> = serde_json::from_slice(body).map_err(|error| DecodeError::from_json(&error))?;
    match envelope.status.as_ref() {
        "success" => {}
        "error" => return Err(envelope.refused()),
        other => {
            let detail = format!("status is `{}`, neither `success` nor `error`", one_line(other, MAX_WORD_CHARS));
            return Err(DecodeError::Malformed { detail });
        }
    }
    let Some(data) = envelope.data else {
        return Err(DecodeError::Malformed { detail: "status is `success` but there is no data".to_owned() });
    };
    let keep = Collector::new(max_series, keep).collect(data)?;
    let answer = Answer {
        points: Vec::new(),
        warnings: envelope.warnings,
        infos: envelope.infos,
        declared_partial: envelope.is_partial.unwrap_or(false),
    };
    Ok((keep, answer))
}

/// The sentence of an error answer, or `None` where `body` is none. For answers whose HTTP status already says that they failed.
#[must_use]
pub fn decode_error(body: &[u8]) -> Option<DecodeError> {
    match decode(body, 0) {
        Err(refused @ DecodeError::Refused { .. }) => Some(refused),
        _ => None,
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    #[serde(borrow, default)]
    status: Cow<'a, str>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error_type: Cow<'a, str>,
    #[serde(borrow, default)]
    error: Cow<'a, str>,
    #[serde(default)]
    warnings: Notes,
    #[serde(default)]
    infos: Notes,
    #[serde(default)]
    is_partial: Option<bool>,
}

impl Envelope<'_> {
    fn refused(&self) -> DecodeError {
        let message = match self.error.trim() {
            "" => "no reason given".to_owned(),
            text => one_line(text, MAX_ERROR_CHARS),
        };
        DecodeError::Refused { kind: one_line(&self.error_type, MAX_WORD_CHARS), message }
    }
}

impl<'de> Deserialize<'de> for Notes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NotesVisitor;
        impl<'de> Visitor<'de> for NotesVisitor {
            type Value = Notes;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of sentences")
            }
            fn visit_unit<E>(self) -> Result<Notes, E> {
                Ok(Notes::default())
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Notes, A::Error> {
                let mut notes = Notes::default();
                while notes.texts.len() < MAX_NOTES {
                    let Some(Note(text)) = sequence.next_element()? else { return Ok(notes) };
                    notes.texts.push(text);
                }
                while sequence.next_element::<IgnoredAny>()?.is_some() {
                    notes.omitted += 1;
                }
                Ok(notes)
            }
        }
        deserializer.deserialize_any(NotesVisitor)
    }
}

/// One sentence, cut while it is read: a warning of a megabyte is never copied whole.
struct Note(String);

impl<'de> Deserialize<'de> for Note {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NoteVisitor;
        impl Visitor<'_> for NoteVisitor {
            type Value = Note;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a sentence")
            }
            fn visit_str<E>(self, text: &str) -> Result<Note, E> {
                Ok(Note(one_line(text, MAX_NOTE_CHARS)))
            }
        }
        deserializer.deserialize_str(NoteVisitor)
    }
}

#[cfg(test)]
mod tests;
