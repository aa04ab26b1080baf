use proptest::prelude::*;
use serde_json::json;

use super::*;

const LIMIT: usize = 100;

fn vector(result: &str) -> String {
    format!(r#"{{"status":"success","data":{{"resultType":"vector","result":{result}}}}}"#)
}

fn series(value: &str) -> String {
    format!(r#"{{"metric":{{"app":"web"}},"value":[1700000000.123,"{value}"]}}"#)
}

fn values(body: &str) -> Vec<f64> {
    decode(body.as_bytes(), LIMIT).unwrap().points.iter().map(|point| point.value).collect()
}

fn error(body: &str) -> DecodeError {
    decode(body.as_bytes(), LIMIT).unwrap_err()
}

#[test]
fn answers_with_numbers() {
    let point = series("1");
    let swapped =
        format!(r#"{{"data":{{"result":[{point}],"other":[{{}}],"resultType":"vector"}},"status":"success"}}"#);
    for (name, body, want) in [
        ("empty vector", vector("[]"), vec![]),
        ("null for an empty vector", vector("null"), vec![]),
        ("one", vector(&format!("[{point}]")), vec![1.0]),
        ("three", vector(&format!("[{},{},{}]", series("1"), series("-2.5"), series("1e3"))), vec![1.0, -2.5, 1000.0]),
        (
            "infinities",
            vector(&format!("[{},{}]", series("+Inf"), series("-Inf"))),
            vec![f64::INFINITY, f64::NEG_INFINITY],
        ),
        ("overflow", vector(&format!("[{}]", series("1e999"))), vec![f64::INFINITY]),
        ("whole seconds", vector(r#"[{"value":[1700000000,"7"]}]"#), vec![7.0]),
        ("unknown fields", vector(r#"[{"metric":{},"new":[[1]],"value":[1,"7"],"more":{"a":null}}]"#), vec![7.0]),
        ("escapes", vector(r#"[{"\u006detric":{"a":"\ud83d\ude00"},"value":[1,"\u0037"]}]"#), vec![7.0]),
        ("scalar", r#"{"status":"success","data":{"resultType":"scalar","result":[1,"42"]}}"#.to_owned(), vec![42.0]),
        ("result before its type", swapped, vec![1.0]),
        ("space around", format!("\r\n {} \n", vector(&format!("[{point}]"))), vec![1.0]),
    ] {
        assert_eq!(values(&body), want, "{name}");
    }
    assert!(values(&vector(&format!("[{}]", series("NaN"))))[0].is_nan());
}

#[test]
fn timestamps_are_milliseconds() {
    let answer = decode(vector(&format!("[{}]", series("1"))).as_bytes(), LIMIT).unwrap();
    assert_eq!(answer.points[0].at, Timestamp::from_millis(1_700_000_000_123));
    let answer = decode(vector(r#"[{"value":[1e300,"1"]}]"#).as_bytes(), LIMIT).unwrap();
    assert_eq!(answer.points[0].at, Timestamp::from_millis(i64::MAX));
}

#[test]
fn answers_of_the_wrong_type() {
    let typed = |kind: &str, result: &str| {
        error(&format!(r#"{{"status":"success","data":{{"resultType":"{kind}","result":{result}}}}}"#))
    };
    assert_eq!(typed("matrix", "[]"), DecodeError::WrongType { found: "range vector (matrix)".to_owned() });
    assert_eq!(typed("string", r#"[1,"text"]"#), DecodeError::WrongType { found: "string".to_owned() });
    assert_eq!(typed("streams", "[]"), DecodeError::WrongType { found: "streams".to_owned() });
    assert_eq!(typed("", "[]"), DecodeError::WrongType { found: "result without a type".to_owned() });
    assert_eq!(typed(&"x".repeat(9000), "[]").to_string().len(), typed(&"x".repeat(99), "[]").to_string().len());
    // Whatever follows the type is not even looked at.
    assert_eq!(typed("matrix", r#"{"no":"list"}"#).reason(), "WrongResultType");
    let histogram = r#"[{"metric":{},"histogram":[1,{"count":"3","sum":"1","buckets":[[0,"1","2","3"]]}]}]"#;
    assert_eq!(error(&vector(histogram)), DecodeError::Histogram);
    let mixed = format!(r#"[{},{{"metric":{{}},"histogram":[1,{{}}]}}]"#, series("1"));
    assert_eq!(error(&vector(&mixed)), DecodeError::Histogram);
}

#[test]
fn error_answers() {
    for (kind, absence) in [
        ("bad_data", Absence::BadQuery),
        ("execution", Absence::BadQuery),
        ("timeout", Absence::Timeout),
        ("canceled", Absence::Unavailable),
        ("internal", Absence::Unavailable),
        ("unavailable", Absence::Unavailable),
        ("too_many_requests", Absence::Unavailable),
        ("of next year", Absence::Unavailable),
    ] {
        let body = format!(r#"{{"status":"error","errorType":"{kind}","error":"no\nluck\u0000","data":[[["odd"]]]}}"#);
        let refused = error(&body);
        assert_eq!(refused, DecodeError::Refused { kind: kind.to_owned(), message: "no luck ".to_owned() });
        assert_eq!(refused.absence(), absence, "{kind}");
        assert_eq!(decode_error(body.as_bytes()), Some(refused));
    }
    assert_eq!(error(r#"{"status":"error"}"#).to_string(), "Prometheus says: no reason given");
    let long = json!({"status": "error", "error": "ä".repeat(5000)}).to_string();
    let DecodeError::Refused { message, .. } = error(&long) else { panic!("{long}") };
    assert_eq!(message.chars().count(), MAX_ERROR_CHARS);
    assert_eq!(decode_error(b"<html>"), None);
    assert_eq!(decode_error(vector("[]").as_bytes()), None);
}

#[test]
fn answers_that_are_none() {
    for (name, body, want) in [
        ("empty", "", DecodeError::EmptyBody),
        ("blank", " \n\t", DecodeError::EmptyBody),
        ("html", "\n<!doctype html><html>", DecodeError::Html),
        ("cut", &vector(&series("1"))[..60], DecodeError::Truncated),
        ("one brace", "{", DecodeError::Truncated),
    ] {
        assert_eq!(error(body), want, "{name}");
    }
    for (name, body) in [
        ("text", "upstream connect error".to_owned()),
        ("list", "[]".to_owned()),
        ("null", "null".to_owned()),
        ("no status", "{}".to_owned()),
        ("unknown status", r#"{"status":"fine"}"#.to_owned()),
        ("status of a wrong type", r#"{"status":1}"#.to_owned()),
        ("no data", r#"{"status":"success"}"#.to_owned()),
        ("data null", r#"{"status":"success","data":null}"#.to_owned()),
        ("data a list", r#"{"status":"success","data":["vector",[]]}"#.to_owned()),
        ("no result", r#"{"status":"success","data":{"resultType":"vector"}}"#.to_owned()),
        ("no type", r#"{"status":"success","data":{"result":[]}}"#.to_owned()),
        (
            "type twice",
            r#"{"status":"success","data":{"resultType":"vector","resultType":"vector","result":[]}}"#.to_owned(),
        ),
        ("result twice", r#"{"status":"success","data":{"resultType":"vector","result":[],"result":[]}}"#.to_owned()),
        ("status twice", r#"{"status":"error","status":"success","data":{}}"#.to_owned()),
        ("result an object", vector("{}")),
        ("result a number", vector("7")),
        ("series a list", vector(r#"[[{},[1,"7"]]]"#)),
        ("series null", vector("[null]")),
        ("no value", vector(r#"[{"metric":{}}]"#)),
        ("two values", vector(r#"[{"value":[1,"7"],"value":[1,"8"]}]"#)),
        ("bare number", vector(r#"[{"value":[1,7]}]"#)),
        ("no number", vector(r#"[{"value":[1,"seven"]}]"#)),
        ("empty number", vector(r#"[{"value":[1,""]}]"#)),
        ("half a pair", vector(r#"[{"value":[1]}]"#)),
        ("a triple", vector(r#"[{"value":[1,"7",3]}]"#)),
        ("time a string", vector(r#"[{"value":["1","7"]}]"#)),
        (
            "warnings no list",
            r#"{"status":"success","data":{"resultType":"vector","result":[]},"warnings":"x"}"#.to_owned(),
        ),
        (
            "a warning no text",
            r#"{"status":"success","data":{"resultType":"vector","result":[]},"warnings":[1]}"#.to_owned(),
        ),
        ("two answers", format!("{0}{0}", vector("[]"))),
    ] {
        let error = error(&body);
        assert!(matches!(error, DecodeError::Malformed { .. }), "{name}: {error:?}");
        assert_eq!(error.reason(), "MalformedAnswer");
    }
    assert!(matches!(decode(b"{\"status\":\"succ\xff\"}", LIMIT), Err(DecodeError::Malformed { .. })));
}

#[test]
fn an_error_never_quotes_the_body() {
    let body = r#"{"status":"success","data":{"resultType":"vector","result":[{"value":"hunter2"}]}}"#;
    assert!(!error(body).to_string().contains("hunter2"), "{}", error(body));
    let body = r#"{"status":["hunter2"],"warnings":"hunter2"}"#;
    assert!(!error(body).to_string().contains("hunter2"), "{}", error(body));
}

#[test]
fn deep_answers_cost_no_stack() {
    let deep = |open: &str| open.repeat(200_000);
    for body in [
        deep("["),
        deep(r#"{"a":"#),
        format!(r#"{{"status":"success","data":{}"#, deep("[")),
        format!(r#"{{"status":"success","data":{{"resultType":"vector","result":{}"#, deep("[")),
        format!(r#"{{"status":"success","warnings":{}"#, deep("[")),
        vector(&format!("{}{}", deep("["), "]".repeat(200_000))),
        vector(&format!(r#"[{{"metric":{}{}}}]"#, deep("["), "]".repeat(200_000))),
        format!(r#"{{"status":"success","x":{}{}}}"#, deep("["), "]".repeat(200_000)),
    ] {
        assert_eq!(error(&body).reason(), "MalformedAnswer");
    }
}

#[test]
fn series_are_limited_and_the_rest_is_not_built() {
    let list = |count: usize| vector(&format!("[{}]", vec![series("1"); count].join(",")));
    assert_eq!(decode(list(3).as_bytes(), 3).unwrap().points.len(), 3);
    assert_eq!(decode(list(4).as_bytes(), 3).unwrap_err(), DecodeError::TooManySeries { limit: 3 });
    assert_eq!(decode(list(1).as_bytes(), 0).unwrap_err(), DecodeError::TooManySeries { limit: 0 });
    assert!(decode(list(0).as_bytes(), 0).unwrap().points.is_empty());
    // What follows the limit is no series at all, and nobody minds.
    let odd = vector(&format!("[{},{},\"odd\"]", series("1"), series("1")));
    assert_eq!(decode(odd.as_bytes(), 1).unwrap_err(), DecodeError::TooManySeries { limit: 1 });
}

#[test]
fn notes_are_kept_and_bounded() {
    let data = json!({"resultType": "vector", "result": []});
    let body = json!({"status": "success", "data": data, "warnings": ["a\nb"], "infos": ["c", "d"], "isPartial": true});
    let answer = decode(body.to_string().as_bytes(), LIMIT).unwrap();
    assert_eq!(answer.warnings, Notes { texts: vec!["a b".to_owned()], omitted: 0 });
    assert_eq!(answer.infos.texts, ["c", "d"]);
    assert!(answer.declared_partial);

    let body = json!({"status": "success", "data": data, "warnings": vec!["w".repeat(10_000); 50], "infos": null});
    let answer = decode(body.to_string().as_bytes(), LIMIT).unwrap();
    assert_eq!((answer.warnings.texts.len(), answer.warnings.omitted), (MAX_NOTES, 50 - MAX_NOTES));
    assert!(answer.warnings.texts.iter().all(|text| text.chars().count() == MAX_NOTE_CHARS));
    assert_eq!(answer.infos, Notes::default());
    assert!(!answer.declared_partial);
}

/// An answer with these values, as Prometheus writes it.
fn encode(values: &[f64]) -> String {
    let result: Vec<_> = values
        .iter()
        .enumerate()
        .map(|(index, value)| json!({"metric": {"i": index.to_string(), "é\"\\": "x"}, "value": [1_700_000_000.5, value.to_string()]}))
        .collect();
    json!({"status": "success", "data": {"resultType": "vector", "result": result}, "warnings": ["w"], "infos": []})
        .to_string()
}

#[derive(Debug, Clone)]
enum Mutation {
    Set(prop::sample::Index, u8),
    Insert(prop::sample::Index, u8),
    Remove(prop::sample::Index),
    Repeat(prop::sample::Index, prop::sample::Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let index = any::<prop::sample::Index>;
    let byte = || prop_oneof![any::<u8>(), prop::sample::select(&b"{}[]\",:0.eE+-\\un "[..])];
    prop_oneof![
        (index(), byte()).prop_map(|(at, byte)| Mutation::Set(at, byte)),
        (index(), byte()).prop_map(|(at, byte)| Mutation::Insert(at, byte)),
        index().prop_map(Mutation::Remove),
        (index(), index()).prop_map(|(from, to)| Mutation::Repeat(from, to)),
    ]
}

fn mutate(body: &mut Vec<u8>, mutation: &Mutation) {
    let length = body.len().max(1);
    match mutation {
        Mutation::Set(at, byte) if !body.is_empty() => body[at.index(length)] = *byte,
        Mutation::Remove(at) if !body.is_empty() => drop(body.remove(at.index(length))),
        Mutation::Repeat(from, to) if !body.is_empty() => {
            let (from, to) = (from.index(length), to.index(length));
            let part = body[from.min(to)..from.max(to)].to_vec();
            body.extend(part);
        }
        Mutation::Insert(at, byte) => body.insert(at.index(length).min(body.len()), *byte),
        _ => {}
    }
}

proptest! {
    #[test]
    fn any_bytes_are_survived(body in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(answer) = decode(&body, LIMIT) {
            prop_assert!(answer.points.len() <= LIMIT);
        }
    }

    #[test]
    fn mutated_answers_are_survived(
        values in prop::collection::vec(any::<f64>(), 0..5),
        mutations in prop::collection::vec(mutation(), 1..8),
        limit in 0_usize..5,
    ) {
        let mut body = encode(&values).into_bytes();
        for mutation in &mutations {
            mutate(&mut body, mutation);
        }
        match decode(&body, limit) {
            Ok(answer) => prop_assert!(answer.points.len() <= limit),
            Err(error) => prop_assert!(error.to_string().chars().count() < 500),
        }
    }

    #[test]
    fn what_goes_in_comes_out(values in prop::collection::vec(any::<f64>(), 0..50)) {
        let answer = decode(encode(&values).as_bytes(), 50).unwrap();
        prop_assert_eq!(answer.points.len(), values.len());
        for (point, value) in answer.points.iter().zip(&values) {
            prop_assert!(point.value == *value || (point.value.is_nan() && value.is_nan()));
        }
    }

    #[test]
    fn half_an_answer_is_no_answer(values in prop::collection::vec(any::<f64>(), 0..5), cut in any::<prop::sample::Index>()) {
        let body = encode(&values);
        prop_assert!(decode(&body.as_bytes()[..cut.index(body.len())], LIMIT).is_err());
    }
}
