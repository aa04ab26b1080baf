use super::*;

#[test]
fn floats_round_away_from_zero_and_saturate() {
    let cases = [
        (0.0, Some(0)),
        (1.0, Some(1_000)),
        (0.0001, Some(1)),
        (-0.0001, Some(-1)),
        (0.1 * 3.0, Some(300)), // binary dust is not a thousandth
        (1.2345, Some(1_235)),
        (-1.2345, Some(-1_235)),
        (1e300, Some(i64::MAX)),
        (-1e300, Some(i64::MIN)),
        (f64::MAX, Some(i64::MAX)), // times 1000 it is infinite
        (5e-324, Some(1)),
        (f64::NAN, None),
        (f64::INFINITY, None),
        (f64::NEG_INFINITY, None),
    ];
    for (value, expected) in cases {
        assert_eq!(Milli::from_f64(value).map(Milli::get), expected, "{value}");
    }
}

#[test]
fn written_as_kubernetes_writes_it() {
    for (thousandths, text) in
        [(612, "612m"), (100_000, "100"), (-1_500, "-1500m"), (0, "0"), (i64::MIN, "-9223372036854775808m")]
    {
        assert_eq!(Milli::new(thousandths).to_string(), text);
    }
}
