//! The chart of the story, as text. `FLYBALL_CHART_DIR=DIR` also writes the pictures there, to be looked at.

use super::*;
use crate::view::history::tests::story;

fn frame(history: &History) -> Frame {
    let (start, _) = history.span().unwrap_or_default();
    let beat = |second, text: &str| Beat { at: start.plus_seconds(second), text: text.into() };
    Frame {
        title: "Flyball scales Deployment/web".into(),
        metric: "requests per second".into(),
        beats: vec![
            beat(0, "a quiet morning"),
            beat(9, "load rises: steps up, limited by policy"),
            beat(15, "at maxReplicas, and it says so"),
            beat(24, "Prometheus is gone: the size is held"),
            beat(34, "load falls: the window holds"),
            beat(48, "then down, step by step"),
        ],
    }
}

#[test]
fn the_story_is_told_whole_and_small() {
    let story = story();
    for (name, svg) in [("still", still(&story, &frame(&story))), ("animated", animated(&story, &frame(&story)))] {
        if let Some(dir) = std::env::var_os("FLYBALL_CHART_DIR") {
            std::fs::write(std::path::Path::new(&dir).join(format!("{name}.svg")), &svg).unwrap();
        }
        assert!(svg.len() < 300_000, "{name}: {} bytes", svg.len());
        for wanted in [
            "<title id=\"t\">Flyball scales",
            "✕ no data",
            "window holds",
            "at max",
            "▲ ",
            "▼ ",
            "max 10",
            "prefers-color-scheme:dark",
            "class=\"gap\"",
            "target × replicas",
        ] {
            assert!(svg.contains(wanted), "{wanted} in {name}");
        }
        assert_eq!(svg.contains("@keyframes"), name == "animated");
        assert_eq!(svg.contains("prefers-reduced-motion:no-preference"), name == "animated");
        assert!(!svg.contains("<script") && !svg.contains("href"), "{name} is self-contained");
        assert!(!svg.contains("NaN") && !svg.replace("infinite", "").contains("inf"), "{name}");
    }
}

#[test]
fn a_gap_lifts_the_pen() {
    let story = story();
    let svg = still(&story, &frame(&story));
    let value = svg.lines().find(|line| line.starts_with("<path class=\"value\"")).unwrap();
    assert_eq!(value.matches('M').count(), 2, "{value}");
}

#[test]
fn foreign_words_are_escaped_and_nothing_panics_on_odd_histories() {
    let evil = Frame { title: "<script>\"&\u{1b}".into(), metric: "</svg>".into(), beats: vec![] };
    let mut one = History::new(4);
    one.push(story().last().unwrap().clone());
    let mut odd = History::new(4);
    for (millis, value, size) in [(i64::MIN, f64::MAX, i32::MIN), (0, f64::NAN, i32::MAX), (i64::MAX, -1.0, 0)] {
        let point = story().last().unwrap().clone();
        let at = Timestamp::from_millis(millis);
        odd.push(super::super::Point { at, value: Some(value), applied: size, max: size, change: size, ..point });
    }
    for history in [History::new(3), one, odd] {
        let svg = animated(&history, &evil);
        assert!(svg.contains("&lt;script&gt;&quot;&amp;") && svg.ends_with("</svg>\n"), "{svg}");
        assert_eq!(svg.matches("</svg>").count(), 1);
    }
}

#[test]
fn a_long_history_stays_small() {
    let mut long = History::new(History::MOST);
    let points: Vec<_> = story().points().cloned().collect();
    for (index, millis) in (0..).step_by(1000).take(History::MOST).enumerate() {
        long.push(super::super::Point { at: Timestamp::from_millis(millis), ..points[index % points.len()].clone() });
    }
    let svg = animated(&long, &Frame::default());
    assert!(svg.len() < 300_000, "{} bytes", svg.len());
}
