//! Any bytes as the answer of a Prometheus: never a panic, and with labels the same points as without.
#![no_main]

use flyball::sources::prometheus::{decode, decode_labelled};
use libfuzzer_sys::fuzz_target;

/// Few, so that the limit is reached.
const MAX_SERIES: usize = 8;

fuzz_target!(|body: &[u8]| {
    let plain = decode(body, MAX_SERIES);
    // Labels can only add an error: one that is there twice, or that is no text.
    if let Ok(labelled) = decode_labelled(body, MAX_SERIES, &["app", "namespace"]) {
        let points = |answer: &flyball::sources::prometheus::Answer| {
            answer.points.iter().map(|point| (point.value.to_bits(), point.at)).collect::<Vec<_>>()
        };
        assert_eq!(plain.as_ref().map(points), Ok(points(&labelled.answer)));
    }
});
