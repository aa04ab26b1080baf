//! The series that queries are asked of: values of labels that are easily quoted wrong, counters that begin late, end early and start
//! over, gauges that are NaN or infinite.

/// Beginning of the samples, on the boundary of a block of Prometheus'.
pub(crate) const START_SECONDS: i64 = 1_767_225_600;
/// When queries are evaluated.
pub(crate) const NOW_SECONDS: i64 = START_SECONDS + 3900;
const STEP_SECONDS: i64 = 15;
/// Samples begin so long before the evaluation.
const SPAN_SECONDS: i64 = 1200;

/// Apps with series; `web` and `a.b` are prefixes and patterns of others.
pub(crate) const APPS: [&str; 12] =
    ["web", "web2", "a.b", "aXb", "a|b", "b", "quo\"te", "back\\slash", "new\nline", "ü😀{{x}}", "^.*$", "it's"];
/// An app without series.
pub(crate) const NOBODY: &str = "nobody";
/// Namespaces.
pub(crate) const NAMESPACES: [&str; 3] = ["shop", "s.op", "(x)"];

/// A series with its samples.
pub(crate) struct Series {
    pub(crate) name: &'static str,
    pub(crate) labels: Vec<(&'static str, &'static str)>,
    /// Seconds since the epoch, and the value.
    pub(crate) samples: Vec<(i64, f64)>,
}

/// All of them.
#[allow(clippy::cast_precision_loss)]
pub(crate) fn series() -> Vec<Series> {
    let mut all = Vec::new();
    for (a, app) in APPS.into_iter().enumerate() {
        for (n, namespace) in NAMESPACES.into_iter().enumerate() {
            if (a + n) % 4 == 3 {
                continue;
            }
            for (p, pod) in ["p0", "p1"].into_iter().enumerate() {
                let place = vec![("app", app), ("ns", namespace), ("pod", pod)];
                let pace = (1 + a * 3 + n * 7 + p) as f64 * 1.1;
                for (code, share) in [("200", 1.0), ("500", 0.07)] {
                    let labels = [place.as_slice(), &[("code", code)]].concat();
                    all.push(Series { name: "c_total", labels, samples: counter(pace * share, a + p) });
                }
                if (a + p) % 3 != 2 {
                    all.push(Series { name: "d_total", labels: place.clone(), samples: counter(pace * 0.3, n) });
                }
                all.push(Series { name: "g", labels: place.clone(), samples: gauge(pace, a + n + p) });
                for (le, share) in [("0.1", 0.2), ("0.5", 0.7), ("1", 0.9), ("+Inf", 1.0)] {
                    let labels = [place.as_slice(), &[("le", le)]].concat();
                    all.push(Series { name: "h_bucket", labels, samples: counter(pace * share, a) });
                }
            }
        }
    }
    // Nobody's: no app at all.
    all.push(Series { name: "g", labels: vec![("pod", "p0")], samples: gauge(5.0, 1) });
    all.push(Series { name: "c_total", labels: vec![("ns", "shop"), ("code", "200")], samples: counter(5.0, 1) });
    all
}

fn times(first: i64, end: i64) -> impl Iterator<Item = i64> {
    (first..end).step_by(usize::try_from(STEP_SECONDS).unwrap())
}

#[allow(clippy::cast_precision_loss)]
fn counter(pace: f64, kind: usize) -> Vec<(i64, f64)> {
    let (begin, end) = match kind % 5 {
        3 => (NOW_SECONDS - 100, NOW_SECONDS + 60),
        4 => (NOW_SECONDS - SPAN_SECONDS, NOW_SECONDS - 200),
        _ => (NOW_SECONDS - SPAN_SECONDS, NOW_SECONDS + 60),
    };
    let shift = i64::try_from(kind % 3).unwrap() * 4;
    let restart = NOW_SECONDS - 90;
    let value = |at: i64| if kind % 5 == 1 && at > restart { at - restart } else { at - begin } as f64 * pace;
    times(begin + shift, end).map(|at| (at, value(at))).collect()
}

#[allow(clippy::cast_precision_loss)]
fn gauge(pace: f64, kind: usize) -> Vec<(i64, f64)> {
    let end = if kind % 7 == 6 { NOW_SECONDS - 400 } else { NOW_SECONDS + 60 };
    let value = |at: i64| match kind % 9 {
        7 => f64::NAN,
        8 => f64::INFINITY,
        5 => -pace,
        _ => pace * ((at / STEP_SECONDS) % 6) as f64,
    };
    times(NOW_SECONDS - SPAN_SECONDS, end).map(|at| (at, value(at))).collect()
}

/// The same as OpenMetrics text.
pub(crate) fn open_metrics(all: &[Series]) -> String {
    let mut names: Vec<&str> = all.iter().map(|series| series.name).collect();
    names.sort_unstable();
    names.dedup();
    let mut out = String::new();
    for name in names {
        for series in all.iter().filter(|series| series.name == name) {
            let escaped = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let labels = series.labels.iter().map(|(label, value)| format!("{label}=\"{}\"", escaped(value)));
            let labels = labels.collect::<Vec<_>>().join(",");
            for (at, value) in &series.samples {
                let value = if value.is_infinite() { "+Inf".to_owned() } else { value.to_string() };
                out.push_str(&format!("{name}{{{labels}}} {value} {at}\n"));
            }
        }
    }
    out.push_str("# EOF\n");
    out
}
