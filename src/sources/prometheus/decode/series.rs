//! Streams the series of `data` to whoever keeps them. Owns the limit on series and the refusal of what is no number; what is kept of
//! a series, and whether its labels are looked at, is for [`Keep`] to say.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{DecodeError, MAX_WORD_CHARS, Point, one_line};
use crate::engine::Timestamp;

/// The result types that are numbers.
#[derive(Clone, Copy)]
enum Shape {
    Vector,
    Scalar,
}

/// What becomes of the series. Chosen at compile time, so that a query without labels pays nothing for those with them.
pub(super) trait Keep<'de> {
    /// Takes `metric`, the labels of one series, as the next value of `series`. They come before the point or after it.
    /// Answers what is wrong with them, if they cannot be taken.
    fn labels<A: MapAccess<'de>>(&mut self, series: &mut A) -> Result<Result<(), &'static str>, A::Error>;
    /// Ends a series with its point.
    fn end_series(&mut self, point: Point);
}

/// Points alone: labels are stepped over.
impl<'de> Keep<'de> for Vec<Point> {
    fn labels<A: MapAccess<'de>>(&mut self, series: &mut A) -> Result<Result<(), &'static str>, A::Error> {
        series.next_value::<IgnoredAny>().map(|_| Ok(()))
    }
    fn end_series(&mut self, point: Point) {
        self.push(point);
    }
}

/// Counts series, and remembers why it stopped: serde's own error type has no place for our kinds.
pub(super) struct Collector<K> {
    max_series: usize,
    count: usize,
    keep: K,
    fault: Option<DecodeError>,
}

impl<'de, K: Keep<'de>> Collector<K> {
    pub(super) const fn new(max_series: usize, keep: K) -> Self {
        Self { max_series, count: 0, keep, fault: None }
    }

    pub(super) fn collect(mut self, data: &'de RawValue) -> Result<K, DecodeError> {
        let mut json = serde_json::Deserializer::from_str(data.get());
        match DataSeed(&mut self).deserialize(&mut json) {
            Ok(()) => Ok(self.keep),
            Err(error) => Err(self.fault.unwrap_or_else(|| DecodeError::from_json(&error))),
        }
    }

    fn end_series(&mut self, point: Point) {
        self.count += 1;
        self.keep.end_series(point);
    }

    /// Notes the fault and makes the error that stops serde.
    fn stop<E: serde::de::Error>(&mut self, fault: DecodeError) -> E {
        let error = E::custom("stopped");
        self.fault = Some(fault);
        error
    }

    fn malformed<E: serde::de::Error>(&mut self, detail: &str) -> E {
        self.stop(DecodeError::Malformed { detail: detail.to_owned() })
    }

    fn shape<E: serde::de::Error>(&mut self, result_type: &str) -> Result<Shape, E> {
        match result_type {
            "vector" => Ok(Shape::Vector),
            "scalar" => Ok(Shape::Scalar),
            "matrix" => Err(self.stop(DecodeError::WrongType { found: "range vector (matrix)".to_owned() })),
            other => {
                let found = match one_line(other, MAX_WORD_CHARS) {
                    word if word.trim().is_empty() => "result without a type".to_owned(),
                    word => word,
                };
                Err(self.stop(DecodeError::WrongType { found }))
            }
        }
    }
}

/// `data`: `{"resultType": …, "result": …}` in either order.
struct DataSeed<'c, K>(&'c mut Collector<K>);

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum DataKey {
    ResultType,
    Result,
    #[serde(other)]
    Other,
}

impl<'de, K: Keep<'de>> DeserializeSeed<'de> for DataSeed<'_, K> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, K: Keep<'de>> Visitor<'de> for DataSeed<'_, K> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with resultType and result")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self(collector) = self;
        let mut shape = None;
        let mut early: Option<&'de RawValue> = None;
        let mut seen = false;
        while let Some(key) = map.next_key()? {
            match key {
                DataKey::ResultType if shape.is_some() => return Err(collector.malformed("resultType is there twice")),
                DataKey::ResultType => shape = Some(collector.shape(&map.next_value::<Cow<'_, str>>()?)?),
                DataKey::Result if seen => return Err(collector.malformed("result is there twice")),
                DataKey::Result => {
                    seen = true;
                    match shape {
                        // The usual order: the series stream by.
                        Some(shape) => map.next_value_seed(ResultSeed(&mut *collector, shape))?,
                        // Its type is not known yet: step over it and come back.
                        None => early = Some(map.next_value()?),
                    }
                }
                DataKey::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        match (shape, early) {
            (None, _) => Err(collector.malformed("data has no resultType")),
            (Some(_), None) if !seen => Err(collector.malformed("data has no result")),
            (Some(_), None) => Ok(()),
            (Some(shape), Some(result)) => {
                let mut json = serde_json::Deserializer::from_str(result.get());
                ResultSeed(collector, shape).deserialize(&mut json).map_err(A::Error::custom)
            }
        }
    }
}

/// `result`: a list of series, or the one pair of a scalar.
struct ResultSeed<'c, K>(&'c mut Collector<K>, Shape);

impl<'de, K: Keep<'de>> DeserializeSeed<'de> for ResultSeed<'_, K> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.1 {
            Shape::Vector => deserializer.deserialize_any(self),
            Shape::Scalar => {
                let point = Pair::deserialize(deserializer)?.point();
                self.0.end_series(point);
                Ok(())
            }
        }
    }
}

impl<'de, K: Keep<'de>> Visitor<'de> for ResultSeed<'_, K> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of series")
    }
    /// A `null` list is how some servers write an empty one; either way there is no series.
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        let Self(collector, _) = self;
        let limit = collector.max_series;
        while collector.count < limit {
            if sequence.next_element_seed(SeriesSeed(&mut *collector))?.is_none() {
                return Ok(());
            }
        }
        match sequence.next_element::<IgnoredAny>()? {
            None => Ok(()),
            Some(_) => Err(collector.stop(DecodeError::TooManySeries { limit })),
        }
    }
}

/// One series: `{"metric": {…}, "value": [seconds, "number"]}`.
struct SeriesSeed<'c, K>(&'c mut Collector<K>);

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum SeriesKey {
    Metric,
    Value,
    Histogram,
    #[serde(other)]
    Other,
}

impl<'de, K: Keep<'de>> DeserializeSeed<'de> for SeriesSeed<'_, K> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, K: Keep<'de>> Visitor<'de> for SeriesSeed<'_, K> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a series with a value")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self(collector) = self;
        let mut point = None;
        while let Some(key) = map.next_key()? {
            match key {
                SeriesKey::Value if point.is_some() => return Err(collector.malformed("a series has two values")),
                SeriesKey::Value => point = Some(map.next_value::<Pair>()?.point()),
                SeriesKey::Metric => {
                    if let Err(detail) = collector.keep.labels(&mut map)? {
                        return Err(collector.malformed(detail));
                    }
                }
                SeriesKey::Histogram => return Err(collector.stop(DecodeError::Histogram)),
                SeriesKey::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        let Some(point) = point else { return Err(collector.malformed("a series has no value")) };
        collector.end_series(point);
        Ok(())
    }
}

/// `[seconds since the epoch, "number"]`.
#[derive(Deserialize)]
#[serde(expecting = "a pair of time and value")]
struct Pair(f64, Number);

impl Pair {
    #[allow(clippy::cast_possible_truncation)] // float to int casts saturate, and JSON has no NaN
    fn point(&self) -> Point {
        Point { value: self.1.0, at: Timestamp::from_millis((self.0 * 1000.0).round() as i64) }
    }
}

/// A number in quotes, as Prometheus writes it to have NaN and the infinities in JSON.
struct Number(f64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberVisitor;
        impl Visitor<'_> for NumberVisitor {
            type Value = Number;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number in quotes")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Number, E> {
                text.parse().map(Number).map_err(|_| E::custom("a value is not a number"))
            }
        }
        deserializer.deserialize_str(NumberVisitor)
    }
}
