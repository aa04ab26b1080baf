//! The two plots of the screen: metric against target, and replicas raw, stabilized and applied. A gap in the data is a gap in the line.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Axis, Block, Borders, Chart, Dataset, GraphType};

use super::{MARGIN, Scene};
use crate::view::history::Point;

/// How a line is drawn.
#[derive(Clone, Copy)]
struct Look {
    colour: Color,
    marker: Marker,
    graph: GraphType,
}

/// One line without gaps.
type Stretch = Vec<(f64, f64)>;

/// The metric against what it is held to.
pub(super) fn metric(frame: &mut Frame<'_>, scene: &Scene<'_>, area: Rect) {
    let value = Look { colour: Color::Cyan, marker: Marker::Braille, graph: GraphType::Line };
    let target = Look { colour: Color::Yellow, marker: Marker::Dot, graph: GraphType::Scatter };
    let lines =
        [(target, dots(scene, &steps(scene, |point| point.target_total))), (value, slopes(scene, |point| point.value))];
    let title = match scene.history.last() {
        Some(Point { value: Some(value), target_total: Some(target), .. }) => {
            format!(" {}: {value:.0} against {target:.0} ", scene.metric)
        }
        Some(_) => format!(" {}: no value, a gap is not zero ", scene.metric),
        None => format!(" {} ", scene.metric),
    };
    let legend = [("value", Color::Cyan, "──"), ("target × replicas", Color::Yellow, "••")];
    draw(frame, scene, (area, &title, &legend), &lines);
}

/// The steps of the decision over time.
pub(super) fn replicas(frame: &mut Frame<'_>, scene: &Scene<'_>, area: Rect) {
    let scatter = |colour, marker| Look { colour, marker, graph: GraphType::Scatter };
    let line = |colour, marker| Look { colour, marker, graph: GraphType::Line };
    let whole = |pick: fn(&Point) -> Option<i32>| steps(scene, move |point| pick(point).map(f64::from));
    let lines = [
        (scatter(Color::DarkGray, Marker::Braille), dots(scene, &whole(|point| Some(point.max)))),
        (scatter(Color::DarkGray, Marker::Braille), dots(scene, &whole(|point| Some(point.min)))),
        (line(Color::Blue, Marker::Braille), whole(|point| point.stabilized)),
        (scatter(Color::Magenta, Marker::Dot), dots(scene, &whole(|point| point.raw))),
        (line(Color::Green, Marker::HalfBlock), whole(|point| Some(point.applied))),
    ];
    let title = match scene.history.last() {
        Some(point) => format!(" replicas: {} ({} s shown) ", point.applied, scene.span_seconds),
        None => " replicas ".to_owned(),
    };
    let legend = [("raw", Color::Magenta, "••"), ("stabilized", Color::Blue, "──"), ("applied", Color::Green, "▀▀")];
    draw(frame, scene, (area, &title, &legend), &lines);
}

type Framing<'a> = (Rect, &'a str, &'a [(&'a str, Color, &'a str)]);

fn draw(frame: &mut Frame<'_>, scene: &Scene<'_>, framing: Framing<'_>, lines: &[(Look, Vec<Stretch>)]) {
    let (area, title, legend) = framing;
    let top =
        lines.iter().flat_map(|(_, stretches)| stretches.iter().flatten()).map(|&(_, y)| y).fold(1.0, f64::max) * 1.08;
    let datasets = lines
        .iter()
        .flat_map(|(look, stretches)| stretches.iter().map(move |stretch| (look, stretch)))
        .map(|(look, stretch)| {
            Dataset::default().data(stretch).marker(look.marker).graph_type(look.graph).style(scene.paint(look.colour))
        })
        .collect();
    let key: Vec<Span<'_>> = legend
        .iter()
        .flat_map(|(name, colour, sample)| {
            [Span::styled(format!(" {sample} "), scene.paint(*colour)), Span::raw(format!("{name} "))]
        })
        .collect();
    let block = Block::new()
        .borders(Borders::TOP)
        .title(Line::styled(title.to_owned(), Style::new().add_modifier(Modifier::BOLD)))
        .title(Line::from(key).right_aligned());
    let width = usize::from(MARGIN) - 1;
    let label = |value: f64| format!("{:>width$}", format!("{value:.0}"));
    let chart = Chart::new(datasets)
        .block(block)
        .legend_position(None)
        .x_axis(Axis::default().bounds([0.0, f64::from(scene.span_seconds.max(1))]))
        .y_axis(
            Axis::default()
                .bounds([0.0, top])
                .labels([label(0.0), label(top / 1.08)])
                .style(scene.paint(Color::DarkGray)),
        );
    frame.render_widget(chart, area);
}

/// Seconds from the left edge of the time axis; what lies before it is at or below 0.
#[allow(clippy::cast_precision_loss)] // differences of instants on one screen
fn seconds(scene: &Scene<'_>, millis: i64) -> f64 {
    millis.saturating_sub(scene.axis().0) as f64 / 1000.0
}

/// A value that is taken at each point and joined by slopes.
fn slopes(scene: &Scene<'_>, pick: impl Fn(&Point) -> Option<f64>) -> Vec<Stretch> {
    let mut stretches = vec![Stretch::new()];
    for point in scene.history.points() {
        match (pick(point), stretches.last_mut()) {
            (Some(value), Some(stretch)) => stretch.push((seconds(scene, point.at.as_millis()), value)),
            _ => stretches.push(Stretch::new()),
        }
    }
    visible(stretches)
}

/// A number that holds until the next point: steps, not slopes.
fn steps(scene: &Scene<'_>, pick: impl Fn(&Point) -> Option<f64>) -> Vec<Stretch> {
    let mut stretches = vec![Stretch::new()];
    let points: Vec<&Point> = scene.history.points().collect();
    for (index, point) in points.iter().enumerate() {
        let until = points.get(index + 1).map_or(scene.now, |next| next.at);
        match (pick(point), stretches.last_mut()) {
            (Some(value), Some(stretch)) => {
                stretch.push((seconds(scene, point.at.as_millis()), value));
                stretch.push((seconds(scene, until.as_millis()), value));
            }
            _ => stretches.push(Stretch::new()),
        }
    }
    visible(stretches)
}

/// What lies right of the left edge; the line that crosses it starts on it.
fn visible(stretches: Vec<Stretch>) -> Vec<Stretch> {
    let cut = |stretch: Stretch| {
        let crossing = stretch.iter().rposition(|&(x, _)| x <= 0.0);
        let tail = stretch.iter().skip(crossing.unwrap_or(0)).map(|&(x, y)| (x.max(0.0), y));
        tail.collect::<Stretch>()
    };
    stretches.into_iter().map(cut).filter(|stretch| !stretch.is_empty()).collect()
}

/// Evenly spaced dots along steps, so that the line is told apart without colour.
fn dots(scene: &Scene<'_>, stretches: &[Stretch]) -> Vec<Stretch> {
    let spacing = f64::from(scene.span_seconds.max(1)) / 36.0;
    let along = |stretch: &Stretch| {
        let mut dots = Stretch::new();
        for pair in stretch.windows(2) {
            let ((from, y), (to, _)) = (pair[0], pair[1]);
            let mut x = (from / spacing).ceil() * spacing;
            while x < to {
                dots.push((x, y));
                x += spacing;
            }
        }
        dots
    };
    stretches.iter().map(along).filter(|dots| !dots.is_empty()).collect()
}
