//! The screen on every size of terminal.

use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::*;
use crate::view::history::tests::story;

fn scene(history: &History) -> Scene<'_> {
    Scene {
        title: "flyball demo: the real controller on an embedded cluster and Prometheus, http://127.0.0.1:8099".into(),
        notes: vec![
            "short for the demo: poll 2 s (15 s in production), scale-down window 10 s (300 s)".into(),
            "policy web: 2 to 10 replicas of Deployment/web, 100 requests/s per replica".into(),
        ],
        caption: "Prometheus is gone: the size is held".into(),
        metric: "requests/s".into(),
        history,
        now: history.last().map_or(Timestamp::from_millis(0), |point| point.at.plus_seconds(1)),
        span_seconds: 60,
        waterfall: Some("shop/web  2026-03-01 14:02:10Z    6 → 8\n  maxReplicas 8   → MaxReplicas  8\n".into()),
        keys: [("s", "spike"), ("p", "Prometheus away/back"), ("q", "quit")]
            .map(|(k, w)| (k.into(), w.into()))
            .to_vec(),
        colour: true,
    }
}

fn drawn(scene: &Scene<'_>, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, scene)).unwrap();
    terminal.backend().to_string()
}

#[test]
fn eighty_by_twenty_four_is_enough() {
    let story = story();
    let text = drawn(&scene(&story), 80, 24);
    println!("{text}");
    for wanted in [
        "flyball demo",
        "poll 2 s (15 s",
        "requests/s:",
        "replicas:",
        "window holds",
        "no data",
        "pods",
        "ready, 2 to 10",
        "s  spike",
        "quit",
        "decisions",
    ] {
        assert!(text.contains(wanted), "{wanted} in\n{text}");
    }
}

#[test]
fn a_large_terminal_shows_the_last_decision_step_by_step() {
    let story = story();
    let text = drawn(&scene(&story), 120, 40);
    println!("{text}");
    for wanted in ["last decision", "→ MaxReplicas", "policy web: 2 to 10", "decisions"] {
        assert!(text.contains(wanted), "{wanted} in\n{text}");
    }
}

#[test]
fn a_missing_metric_is_said_and_drawn_as_a_gap() {
    let whole = story();
    let mut until_gap = History::new(100);
    whole.points().take(15).cloned().for_each(|point| until_gap.push(point));
    assert_eq!(until_gap.last().unwrap().value, None);
    let text = drawn(&scene(&until_gap), 80, 24);
    assert!(text.contains("no value, a gap is not zero"), "{text}");
}

#[test]
fn every_size_is_drawn_without_panic() {
    let (story, empty) = (story(), History::new(5));
    for history in [&story, &empty] {
        for (width, height) in
            [(1, 1), (20, 5), (40, 16), (41, 17), (80, 24), (79, 35), (120, 40), (300, 100), (500, 2), (2, 200)]
        {
            let mut scene = scene(history);
            assert!(!drawn(&scene, width, height).is_empty(), "{width}x{height}");
            scene.span_seconds = 0;
            scene.waterfall = None;
            assert!(!drawn(&scene, width, height).is_empty(), "{width}x{height}");
        }
    }
}

#[test]
fn extreme_points_do_not_panic() {
    let whole = story();
    for extreme in [i32::MIN, i32::MAX] {
        let mut history = History::new(10);
        for (index, point) in whole.points().take(4).enumerate() {
            let at = Timestamp::from_millis(if index == 0 { i64::MIN } else { point.at.as_millis() });
            let value = Some(if index % 2 == 0 { f64::MAX } else { f64::MIN });
            history.push(Point {
                at,
                value,
                applied: extreme,
                running: i32::MAX,
                max: extreme,
                change: extreme,
                ..point.clone()
            });
        }
        assert!(!drawn(&scene(&history), 80, 24).is_empty());
    }
}

#[test]
fn without_colour_nothing_is_coloured() {
    let story = story();
    let mut scene = scene(&story);
    scene.colour = false;
    let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
    terminal.draw(|frame| draw(frame, &scene)).unwrap();
    assert!(
        terminal.backend().buffer().content().iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset)
    );
}
