//! The demo on a terminal: real time, real sockets, the live screen and its keys. Owns the terminal while it runs and gives it back
//! whatever happens. Logs have no place here: without a subscriber they go nowhere.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::record::Record;
use super::servers::Servers;
use super::stage::{self, BASE_LOAD, Operator, POLICY, SHORT_WINDOWS, WORKLOAD};
use super::story::{self, Script, Turn};
use crate::api::publish;
use crate::clock::{Clock as _, SystemClock};
use crate::cluster::client::{Clients, RequestObserver};
use crate::engine::Timestamp;
use crate::sandbox::World;
use crate::sandbox::prometheus::Fault;
use crate::sources::prometheus::{Limits, PrometheusSource};
use crate::telemetry::Metrics;
use crate::view::screen::{self, Scene};
use crate::view::{Style, Subject, waterfall};

/// Time between two frames: fast enough for a key to feel direct, slow enough to cost nothing.
const FRAME: Duration = Duration::from_millis(100);
/// Seconds that the screen's time axis spans: one telling of the story.
const SPAN_SECONDS: u16 = 60;
/// Decisions that the screen keeps: several spans of them.
const KEPT_DECISIONS: usize = 400;
/// Requests per second that the key for a spike adds, and for how many seconds.
const SPIKE: (f64, i64) = (900.0, 15);
/// After the last key the story waits so long before it begins again: time to see what the key did.
const HANDS_OFF_SECONDS: i64 = 45;
/// How long the controller may take to end before it is left behind.
const STOP_WITHIN: Duration = Duration::from_secs(3);

/// Shows the demo for `length`, or until q.
///
/// # Errors
/// Where the terminal or a loopback socket cannot be used, or a part of the demo breaks.
pub(super) async fn run(length: Option<Duration>, seed: u64) -> anyhow::Result<()> {
    let cancel = CancellationToken::new();
    let mut show = Show::start(length, seed, &cancel).await?;
    let mut signals = Signals::new()?;
    // From here on the terminal is ours; a panic gives it back through the hook that this installs.
    let mut terminal = ratatui::try_init().context("the terminal cannot be used; try --headless")?;
    let outcome = show.play(&mut terminal, &mut signals).await;
    ratatui::restore();
    cancel.cancel();
    let Show { record, operator, world, .. } = show;
    let ended = tokio::time::timeout(STOP_WITHIN, operator.ended()).await;
    super::print(&record.table(&world))?;
    outcome?;
    ended.unwrap_or(Ok(()))
}

/// Clients for the embedded API server, over a real socket as `flyball run` has them.
fn clients(servers: &Servers, metrics: &Arc<Metrics>) -> anyhow::Result<Clients> {
    let address = format!("http://{}", servers.kubernetes).parse().context("a loopback address that is none")?;
    let metrics = metrics.clone();
    let observe: RequestObserver = Arc::new(move |method| metrics.api_requested(method));
    let mut config = kube::Config::new(address);
    // A proxy of the environment has no business on loopback.
    config.proxy_url = None;
    Clients::connect(&config, &observe).context("the API server's client could not be made")
}

/// The signals that end a program, each of which must leave the terminal as it was.
struct Signals([Signal; 3]);

impl Signals {
    fn new() -> std::io::Result<Self> {
        let [interrupt, terminate, hangup] = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        Ok(Self([signal(interrupt)?, signal(terminate)?, signal(hangup)?]))
    }

    async fn any(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {}, _ = hangup.recv() => {} }
    }
}

struct Show {
    record: Record,
    script: Script,
    last_key: Option<Timestamp>,
    ends: Option<Timestamp>,
    colour: bool,
    operator: Operator,
    servers: Servers,
    world: World,
}

impl Show {
    /// Starts the world, its servers and the controller, which end with `cancel`.
    async fn start(length: Option<Duration>, seed: u64, cancel: &CancellationToken) -> anyhow::Result<Self> {
        let clock = SystemClock;
        let world = stage::world(clock, seed)?;
        let metrics = Arc::new(Metrics::new());
        let servers = Servers::start(&world, metrics.clone(), cancel).await?;
        tokio::spawn({
            let (world, cancel) = (world.clone(), cancel.clone());
            async move { world.run(clock, cancel).await }
        });
        let source = PrometheusSource::connect(&format!("http://{}", servers.prometheus), Limits::default())?;
        let operator = Operator::start((clients(&servers, &metrics)?, source, clock), metrics, cancel.clone());
        let start = clock.now();
        Ok(Self {
            record: Record::new(start, KEPT_DECISIONS),
            script: Script::starting_at(start),
            last_key: None,
            ends: length.map(|length| start.plus_seconds(i64::try_from(length.as_secs()).unwrap_or(i64::MAX))),
            colour: std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
            operator,
            servers,
            world,
        })
    }

    async fn play(&mut self, terminal: &mut DefaultTerminal, signals: &mut Signals) -> anyhow::Result<()> {
        let mut frames = tokio::time::interval(FRAME);
        frames.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                () = signals.any() => return Ok(()),
                _ = frames.tick() => {}
            }
            let now = SystemClock.now();
            if self.pressed(now)? || self.ends.is_some_and(|end| now >= end) {
                return Ok(());
            }
            if let Some(error) = self.servers.failed() {
                return Err(error);
            }
            anyhow::ensure!(!self.operator.has_ended(), "the controller ended");
            self.go_on(now);
            terminal.draw(|frame| screen::draw(frame, &self.scene(now)))?;
        }
    }

    /// Takes in the keys that were pressed. Answers whether one of them asks to leave.
    fn pressed(&mut self, now: Timestamp) -> std::io::Result<bool> {
        while event::poll(Duration::ZERO)? {
            // What is no key needs nothing: a new size of the terminal is seen by the next frame.
            let Event::Key(key) = event::read()? else { continue };
            if key.kind != KeyEventKind::Release && self.press(key, now) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Does what `key` asks for. Answers whether it asks to leave.
    fn press(&mut self, key: KeyEvent, now: Timestamp) -> bool {
        let caption = match key.code {
            _ if leaves(key) => return true,
            KeyCode::Char('s' | 'S') => {
                let (requests_per_second, seconds) = SPIKE;
                self.world.spike(WORKLOAD, requests_per_second, now.plus_seconds(seconds));
                "You: 900 requests/s more for 15 s"
            }
            KeyCode::Char('p' | 'P') if self.world.prometheus.fault() == Fault::None => {
                self.world.prometheus.set_fault(Fault::Off);
                "You: Prometheus is taken away (p brings it back)"
            }
            KeyCode::Char('p' | 'P') => {
                self.world.prometheus.set_fault(Fault::None);
                "You: Prometheus is back, and is found at the next look"
            }
            _ => return false,
        };
        self.record.tell(now, caption);
        self.last_key = Some(now);
        false
    }

    /// The story goes on, unless somebody else is telling one.
    fn go_on(&mut self, now: Timestamp) {
        if let Some(key) = self.last_key {
            if now >= key.plus_seconds(HANDS_OFF_SECONDS) {
                self.last_key = None;
                story::play(&self.world, Turn::PrometheusBack, now);
                story::play(&self.world, Turn::Traffic(BASE_LOAD), now);
                self.script = Script::starting_at(now);
            }
        } else {
            while let Some(beat) = self.script.due(now) {
                story::play(&self.world, beat.turn, now);
                self.record.tell(now, beat.caption);
            }
        }
        if let Some(report) = self.operator.report() {
            let _line_of_the_transcript = self.record.take_in(&report, None);
        }
    }

    fn scene(&self, now: Timestamp) -> Scene<'_> {
        let (namespace, name) = WORKLOAD;
        let load = self.world.load(namespace, name).unwrap_or_default();
        let report = self.operator.report();
        let decision = report.map(|report| publish::last_decision(&report.policy, &report.trace));
        let subject = Subject { name: format!("{namespace}/{name}"), target: format!("Deployment/{name}") };
        let Servers { kubernetes, prometheus, metrics, .. } = &self.servers;
        Scene {
            title: format!(
                "flyball demo: real controller, embedded cluster: {:.0} req/s, latency {:.2} s",
                load.arriving, load.latency_seconds
            ),
            notes: vec![
                SHORT_WINDOWS.into(),
                POLICY.into(),
                format!("kubectl --server http://{kubernetes} --namespace {namespace} describe scp {name}"),
                format!("Prometheus http://{prometheus}/api/v1/query   metrics http://{metrics}/metrics"),
            ],
            caption: self.record.caption().into(),
            metric: "requests/s".into(),
            history: self.record.history(),
            now,
            span_seconds: SPAN_SECONDS,
            waterfall: decision.map(|decision| waterfall(&subject, &decision, Style { colour: false })),
            keys: vec![
                ("s".into(), "spike".into()),
                ("p".into(), "Prometheus".into()),
                ("q".into(), "quit".into()),
                ("kubectl -s".into(), format!("http://{kubernetes}")),
            ],
            colour: self.colour,
        }
    }
}

fn leaves(key: KeyEvent) -> bool {
    match key.code {
        KeyCode::Esc | KeyCode::Char('q' | 'Q') => true,
        // In raw mode Ctrl-C is a key and no signal.
        KeyCode::Char('c') => key.modifiers.contains(KeyModifiers::CONTROL),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;

    fn drawn(show: &Show, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| screen::draw(frame, &show.scene(SystemClock.now()))).unwrap();
        terminal.backend().to_string()
    }

    fn press(show: &mut Show, key: char) -> bool {
        show.press(KeyEvent::new(KeyCode::Char(key), KeyModifiers::NONE), SystemClock.now())
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn over_real_sockets_the_first_decision_is_shown_and_keys_work() {
        let cancel = CancellationToken::new();
        let mut show = Show::start(None, 7, &cancel).await.unwrap();
        // Real sockets need real time; a decision is due at once.
        let decided = async {
            while show.record.history().is_empty() {
                tokio::time::sleep(Duration::from_millis(20)).await;
                show.go_on(SystemClock.now());
            }
        };
        tokio::time::timeout(Duration::from_secs(10), decided).await.expect("no decision within 10 s");
        let address = show.servers.kubernetes.to_string();
        let small = drawn(&show, 80, 24);
        for wanted in [&*address, "2 of 2 ready, 2 to 10", "Calm: 190 requests/s", "(default 15 s)", "q  quit", "req/s"]
        {
            assert!(small.contains(wanted), "{wanted} in\n{small}");
        }
        let large = drawn(&show, 100, 40);
        assert!(large.contains("last decision") && large.contains("describe scp web"), "{large}");

        assert!(!press(&mut show, 'p') && show.world.prometheus.fault() == Fault::Off);
        assert!(drawn(&show, 80, 24).contains("You: Prometheus is taken away"));
        assert!(!press(&mut show, 'p') && show.world.prometheus.fault() == Fault::None);
        assert!(!press(&mut show, 's') && !press(&mut show, 'x'));
        let now = SystemClock.now();
        show.world.step(now.plus_seconds(1));
        assert!(show.world.load(WORKLOAD.0, WORKLOAD.1).unwrap().arriving > 900.0);
        show.go_on(now.plus_seconds(1));
        assert!(show.last_key.is_some(), "the story waits");
        show.go_on(now.plus_seconds(HANDS_OFF_SECONDS + 1));
        assert!(show.last_key.is_none(), "and begins again");
        assert!(press(&mut show, 'q'));

        cancel.cancel();
        tokio::time::timeout(STOP_WITHIN, show.operator.ended()).await.expect("it does not stop").unwrap();
    }

    #[test]
    fn escape_and_control_c_leave_too() {
        for (code, modifiers, expected) in [
            (KeyCode::Esc, KeyModifiers::NONE, true),
            (KeyCode::Char('c'), KeyModifiers::CONTROL, true),
            (KeyCode::Char('c'), KeyModifiers::NONE, false),
        ] {
            assert_eq!(leaves(KeyEvent::new(code, modifiers)), expected, "{code:?} {modifiers:?}");
        }
    }
}
