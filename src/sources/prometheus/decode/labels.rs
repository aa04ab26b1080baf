//! Decodes an answer with the values of some labels of each series. Owns which labels are kept and how they are told apart; borrows
//! them from the body, so that a shared answer over every pod of a cluster costs no allocation a label.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::series::Keep;
use super::{Answer, DecodeError, Point, decode_into};

/// The values of the labels that were asked for, of one series, in the order of the asking. `None` where the series lacks the label;
/// an empty value is the same to Prometheus.
pub type SeriesLabels<'s, 'a> = &'s [Option<Cow<'a, str>>];

/// What a successful answer holds, with some labels of each series.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LabelledAnswer<'a> {
    /// The answer as without labels.
    pub answer: Answer,
    /// As many a series as were asked for, series after series.
    values: Vec<Option<Cow<'a, str>>>,
    width: usize,
}

impl<'a> LabelledAnswer<'a> {
    /// The labels of the series at `index` of the answer's points; empty where there is no such series.
    #[must_use]
    pub fn labels(&self, index: usize) -> SeriesLabels<'_, 'a> {
        let start = index.saturating_mul(self.width);
        self.values.get(start..start.saturating_add(self.width)).unwrap_or_default()
    }

    /// Every series with its labels, in the order of the answer.
    pub fn series(&self) -> impl Iterator<Item = (SeriesLabels<'_, 'a>, Point)> {
        self.answer.points.iter().enumerate().map(|(index, point)| (self.labels(index), *point))
    }
}

/// Decodes `body` as [`decode`](super::decode()) does, with the values of `labels` for each series. A scalar lacks every label.
///
/// # Errors
/// As [`decode`](super::decode()); also where a series carries a label twice.
pub fn decode_labelled<'a>(
    body: &'a [u8],
    max_series: usize,
    labels: &[&str],
) -> Result<LabelledAnswer<'a>, DecodeError> {
    let (mut points, mut values) = (Vec::new(), Vec::new());
    let answer = decode_each((body, max_series), labels, |series, point| {
        points.push(point);
        values.extend(series.iter_mut().map(Option::take));
    })?;
    Ok(LabelledAnswer { answer: Answer { points, ..answer }, values, width: labels.len() })
}

/// The same without a list: each series goes to `each` as it is read, and the answer that comes back is without points. What `each`
/// was given counts only if the whole is no error. It may take the labels' values out of their places.
///
/// # Errors
/// As [`decode_labelled`].
pub fn decode_each<'a>(
    (body, max_series): (&'a [u8], usize),
    labels: &[&str],
    each: impl FnMut(&mut [Option<Cow<'a, str>>], Point),
) -> Result<Answer, DecodeError> {
    let keep = Labelled { wanted: labels, values: vec![None; labels.len()], seen: false, each };
    decode_into(keep, body, max_series).map(|(_, answer)| answer)
}

/// The labels of one series at a time.
struct Labelled<'a, 'w, F> {
    wanted: &'w [&'w str],
    values: Vec<Option<Cow<'a, str>>>,
    /// The labels of this series were read.
    seen: bool,
    each: F,
}

impl<'a, F: FnMut(&mut [Option<Cow<'a, str>>], Point)> Keep<'a> for Labelled<'a, '_, F> {
    fn labels<A: MapAccess<'a>>(&mut self, series: &mut A) -> Result<Result<(), &'static str>, A::Error> {
        if self.seen {
            return Ok(Err("a series has its labels twice"));
        }
        self.seen = true;
        series.next_value_seed(LabelsSeed { wanted: self.wanted, values: &mut self.values })
    }

    fn end_series(&mut self, point: Point) {
        (self.each)(&mut self.values, point);
        self.values.fill(None);
        self.seen = false;
    }
}

/// `metric`: the labels of a series. Yields what is wrong with them, if anything.
struct LabelsSeed<'v, 'a> {
    wanted: &'v [&'v str],
    values: &'v mut [Option<Cow<'a, str>>],
}

impl<'a> DeserializeSeed<'a> for LabelsSeed<'_, 'a> {
    type Value = Result<(), &'static str>;
    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'a> Visitor<'a> for LabelsSeed<'_, 'a> {
    type Value = Result<(), &'static str>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the labels of a series")
    }
    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while let Some(wanted) = map.next_key_seed(NameSeed(self.wanted))? {
            let Some(place) = wanted.and_then(|index| self.values.get_mut(index)) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let value = map.next_value_seed(TextSeed)?;
            if place.is_some() {
                return Ok(Err("a series has a label twice"));
            }
            *place = Some(value);
        }
        // Only now, so that an empty value does not hide a second one.
        for value in self.values {
            if value.as_deref() == Some("") {
                *value = None;
            }
        }
        Ok(Ok(()))
    }
}

/// The name of a label: its place among the wanted ones, if it is one. The list is short, so it is searched from the front.
struct NameSeed<'v>(&'v [&'v str]);

impl<'a> DeserializeSeed<'a> for NameSeed<'_> {
    type Value = Option<usize>;
    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Option<usize>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for NameSeed<'_> {
    type Value = Option<usize>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a label")
    }
    fn visit_str<E>(self, name: &str) -> Result<Option<usize>, E> {
        Ok(self.0.iter().position(|wanted| *wanted == name))
    }
}

/// The value of a label, borrowed where it has no escapes.
struct TextSeed;

impl<'a> DeserializeSeed<'a> for TextSeed {
    type Value = Cow<'a, str>;
    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Cow<'a, str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'a> Visitor<'a> for TextSeed {
    type Value = Cow<'a, str>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the value of a label in quotes")
    }
    fn visit_borrowed_str<E>(self, text: &'a str) -> Result<Cow<'a, str>, E> {
        Ok(Cow::Borrowed(text))
    }
    fn visit_str<E>(self, text: &str) -> Result<Cow<'a, str>, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Timestamp;

    const WANTED: [&str; 3] = ["namespace", "pod", "container"];

    fn vector(series: &str) -> String {
        format!(r#"{{"status":"success","data":{{"resultType":"vector","result":[{series}]}}}}"#)
    }

    /// Labels and value of each series, a missing label as `-`.
    fn rows(body: &str) -> Vec<String> {
        let answer = decode_labelled(body.as_bytes(), 10, &WANTED).unwrap();
        let row = |(labels, point): (SeriesLabels<'_, '_>, Point)| {
            let words: Vec<&str> = labels.iter().map(|label| label.as_deref().unwrap_or("-")).collect();
            format!("{}={}", words.join("/"), point.value)
        };
        answer.series().map(row).collect()
    }

    #[test]
    fn labels_come_in_the_order_of_the_asking() {
        for (name, series, want) in [
            ("no series", "", vec![]),
            (
                "other order, other labels",
                r#"{"metric":{"pod":"p","x":"y","container":"c","namespace":"n"},"value":[1,"7"]}"#,
                vec!["n/p/c=7"],
            ),
            ("one lacks", r#"{"metric":{"pod":"p","namespace":"n"},"value":[1,"7"]}"#, vec!["n/p/-=7"]),
            ("empty is lacking", r#"{"metric":{"pod":"p","namespace":""},"value":[1,"7"]}"#, vec!["-/p/-=7"]),
            ("no labels", r#"{"metric":{},"value":[1,"7"]},{"value":[1,"8"]}"#, vec!["-/-/-=7", "-/-/-=8"]),
            (
                "the next series inherits nothing",
                r#"{"metric":{"pod":"p"},"value":[1,"7"]},{"metric":{"container":"c"},"value":[1,"8"]}"#,
                vec!["-/p/-=7", "-/-/c=8"],
            ),
            ("the point first", r#"{"value":[1,"7"],"metric":{"pod":"p"}}"#, vec!["-/p/-=7"]),
            ("escapes", r#"{"metric":{"\u0070od":"\u0070\ud83d\ude00"},"value":[1,"7"]}"#, vec!["-/p😀/-=7"]),
            ("foreign values of any kind", r#"{"metric":{"x":[1,{}],"pod":"p"},"value":[1,"7"]}"#, vec!["-/p/-=7"]),
        ] {
            assert_eq!(rows(&vector(series)), want, "{name}");
        }
        assert_eq!(rows(r#"{"status":"success","data":{"resultType":"scalar","result":[1,"42"]}}"#), ["-/-/-=42"]);
        let early =
            r#"{"status":"success","data":{"result":[{"metric":{"pod":"p"},"value":[1,"7"]}],"resultType":"vector"}}"#;
        assert_eq!(rows(early), ["-/p/-=7"]);
    }

    #[test]
    fn values_are_borrowed_from_the_body() {
        let body = vector(r#"{"metric":{"pod":"p","namespace":"\u006e"},"value":[1,"7"]}"#);
        let answer = decode_labelled(body.as_bytes(), 10, &["pod", "namespace"]).unwrap();
        assert!(matches!(answer.labels(0), [Some(Cow::Borrowed("p")), Some(Cow::Owned(escaped))] if escaped == "n"));
        assert_eq!(answer.labels(1), &[], "no such series");
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        let error = |series: &str| decode_labelled(vector(series).as_bytes(), 1, &WANTED).unwrap_err();
        let one = r#"{"metric":{"pod":"p"},"value":[1,"7"]}"#;
        assert_eq!(error(&format!("{one},{one}")), DecodeError::TooManySeries { limit: 1 });
        assert_eq!(error(r#"{"metric":{"pod":"p"},"histogram":[1,{}]}"#), DecodeError::Histogram);
        for (name, series) in [
            ("a label twice", r#"{"metric":{"pod":"p","pod":"q"},"value":[1,"7"]}"#),
            ("a label twice, empty first", r#"{"metric":{"pod":"","pod":"q"},"value":[1,"7"]}"#),
            ("labels twice", r#"{"metric":{"pod":"p"},"metric":{"pod":"q"},"value":[1,"7"]}"#),
            ("a label that is no text", r#"{"metric":{"pod":7},"value":[1,"7"]}"#),
            ("labels that are none", r#"{"metric":["pod"],"value":[1,"7"]}"#),
            ("no value", r#"{"metric":{"pod":"p"}}"#),
        ] {
            assert_eq!(error(series).reason(), "MalformedAnswer", "{name}");
        }
        assert_eq!(decode_labelled(b"<html>", 1, &WANTED), Err(DecodeError::Html));
        let refused = decode_labelled(br#"{"status":"error","errorType":"timeout","error":"late"}"#, 1, &WANTED);
        assert!(matches!(refused, Err(DecodeError::Refused { kind, .. }) if kind == "timeout"));
    }

    #[test]
    fn without_labels_the_answer_is_the_same() {
        let body = r#"{"status":"success","warnings":["w"],"infos":["i"],"isPartial":true,
            "data":{"resultType":"vector","result":[{"metric":{"pod":"p"},"value":[1.5,"7"]}]}}"#;
        let labelled = decode_labelled(body.as_bytes(), 10, &[]).unwrap();
        assert_eq!(labelled.answer, super::super::decode(body.as_bytes(), 10).unwrap());
        assert_eq!(labelled.answer.points, [Point { value: 7.0, at: Timestamp::from_millis(1500) }]);
        assert_eq!(labelled.series().map(|(labels, _)| labels.len()).collect::<Vec<_>>(), [0]);
    }
}
