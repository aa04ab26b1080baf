//! Shared queries answer as single ones do, proven by asking both ways: random queries over values that are easily quoted wrong, on a
//! real Prometheus and on the sandbox's evaluator. Any difference is a failure. `FLYBALL_SEED=N` repeats a run.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod control_plane;
#[path = "fusion/data.rs"]
mod data;
#[path = "fusion/generate.rs"]
mod generate;
#[path = "fusion/server.rs"]
mod server;

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};

use flyball::sources::prometheus::decode::{Answer, Point};
use flyball::sources::prometheus::decode_labelled;
use flyball::sources::prometheus::fuse::{FuseLimits, Fused, Template, fuse};
use libtest_mimic::{Failed, Trial};

use control_plane::trial;
use data::{APPS, NAMESPACES, NOBODY};
use generate::{Dice, Grammar, Pattern};
use server::Server;

/// Names the seed of the run that is to be repeated.
const SEED_VARIABLE: &str = "FLYBALL_SEED";
/// Patterns of a run, each for several members.
const PATTERNS: u64 = 1500;
/// What adding up in another order may change, in relation to the value.
const TOLERANCE: f64 = 1e-9;
/// More series than any answer here has.
const MAX_SERIES: usize = 10_000;
/// Fewest compared answers with series that count as a proof.
const LEAST_COMPARED: usize = 2_000;

fn main() {
    let arguments = libtest_mimic::Arguments::from_args();
    #[allow(unused_mut, reason = "without the sandbox there is one trial")]
    let mut trials = vec![trial("a_real_prometheus_answers_alike", &server::programs(), |assets| {
        run(async { compare(&Server::real(assets).await?, Grammar { whole: true }).await })
    })];
    #[cfg(feature = "sandbox")]
    trials.push(Trial::test("the_sandbox_answers_alike", || {
        run(async { compare(&Server::sandbox(), Grammar { whole: false }).await })
    }));
    libtest_mimic::run(&arguments, trials).exit();
}

fn run(test: impl Future<Output = Result<(), Failed>>) -> Result<(), Failed> {
    tokio::runtime::Runtime::new()?.block_on(test)
}

/// What a run did.
#[derive(Debug, Default)]
struct Tally {
    /// Answers of members compared, with series and without.
    compared: usize,
    empty: usize,
    /// Requests with several members.
    shared: usize,
    /// Shared requests that were refused: then all are asked alone, so nothing is compared.
    refused: usize,
    /// Queries asked alone, by reason.
    alone: BTreeMap<&'static str, usize>,
}

async fn compare(server: &Server, grammar: Grammar) -> Result<(), Failed> {
    let seed = match std::env::var(SEED_VARIABLE) {
        Ok(seed) => seed.parse().map_err(|_| format!("{SEED_VARIABLE}={seed} is not a whole number"))?,
        Err(_) => RandomState::new().hash_one(0) >> 32,
    };
    let mut tally = Tally::default();
    for index in 0..PATTERNS {
        let mut dice = Dice(seed ^ index.wrapping_mul(0xd134_2543_de82_ef95));
        let pattern = Pattern::random(&mut dice, grammar);
        let checked = check(server, &pattern, &mut dice, &mut tally).await;
        checked.map_err(|failed| format!("{SEED_VARIABLE}={seed}: {}", failed.message().unwrap_or_default()))?;
    }
    println!("{SEED_VARIABLE}={seed}: {tally:?}");
    if tally.compared < LEAST_COMPARED {
        return Err(format!("{SEED_VARIABLE}={seed}: too few comparisons to prove anything: {tally:?}").into());
    }
    Ok(())
}

async fn check(server: &Server, pattern: &Pattern, dice: &mut Dice, tally: &mut Tally) -> Result<(), Failed> {
    let mut templates = Vec::new();
    for _ in 0..2 + dice.below(7) {
        let app = if dice.below(8) == 0 { NOBODY } else { dice.pick(&APPS) };
        let namespace = dice.pick(&NAMESPACES);
        match Template::of(&pattern.of(dice, app, namespace)) {
            Ok(template) => templates.push(template),
            Err(alone) => *tally.alone.entry(alone.reason()).or_default() += 1,
        }
    }
    let limits = FuseLimits { query_bytes: dice.pick(&[600, 32 * 1024]), members: dice.pick(&[3, 500]) };
    let requests = fuse(&templates.iter().collect::<Vec<_>>(), limits);
    for request in requests.iter().filter(|request| request.members().len() > 1) {
        tally.shared += 1;
        check_request(server, request, &templates, tally).await?;
    }
    Ok(())
}

async fn check_request(
    server: &Server,
    request: &Fused,
    templates: &[Template],
    tally: &mut Tally,
) -> Result<(), Failed> {
    let labels: Vec<&str> = request.labels().iter().map(String::as_str).collect();
    let shared = match server.ask(&request.promql).await? {
        Ok(body) => Ok(request.split(decode_labelled(&body, MAX_SERIES, &labels)?)?),
        Err(why) => Err(why),
    };
    let mut whys = Vec::new();
    for (place, member) in request.members().iter().enumerate() {
        let alone = templates[member.templates()[0]].promql();
        match (server.ask(alone).await?, &shared) {
            (Ok(body), Ok(shared)) => {
                let single = decode_labelled(&body, MAX_SERIES, &[])?.answer;
                let (want, got) = (sorted(&single), sorted(&shared[place]));
                if !alike(&want, &got)
                    || single.warnings != shared[place].warnings
                    || single.infos != shared[place].infos
                {
                    let shared = &shared[place];
                    return Err(format!(
                        "alone {alone}\n yields {single:?}\n, shared {}\n yields {shared:?}",
                        request.promql
                    )
                    .into());
                }
                *(if want.is_empty() { &mut tally.empty } else { &mut tally.compared }) += 1;
            }
            (Ok(_), Err(_)) => {}
            (Err(why), Ok(_)) => {
                return Err(format!("alone {alone}\n is refused: {why}\n, shared {} is not", request.promql).into());
            }
            (Err(why), Err(_)) => whys.push(why),
        }
    }
    if let Err(why) = shared {
        tally.refused += 1;
        // A shared request may be refused only where a single one is, or where a pairing that is ambiguous alone is not even
        // looked at alone because its other side is empty.
        if whys.is_empty()
            && !why.contains("many-to-many")
            && !why.contains("duplicate series")
            && !why.contains("multiple matches")
        {
            return Err(format!("shared {} is refused: {why}", request.promql).into());
        }
    }
    Ok(())
}

/// The points of an answer in an order of their own: a server may answer in any.
fn sorted(answer: &Answer) -> Vec<Point> {
    let mut points = answer.points.clone();
    points.sort_by(|a, b| a.value.total_cmp(&b.value).then(a.at.cmp(&b.at)));
    points
}

/// As many points, at the same instants, of the same values. Prometheus adds up in an order that it does not keep itself (the groups of
/// `histogram_quantile` come out of a hash), so the last digits may differ.
fn alike(left: &[Point], right: &[Point]) -> bool {
    let same = |(left, right): (&Point, &Point)| {
        let close = (left.value - right.value).abs() <= left.value.abs().max(right.value.abs()) * TOLERANCE;
        let equal =
            left.value.to_bits() == right.value.to_bits() || close || (left.value.is_nan() && right.value.is_nan());
        left.at == right.at && equal
    };
    left.len() == right.len() && left.iter().zip(right).all(same)
}
