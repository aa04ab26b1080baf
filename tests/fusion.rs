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
use flyball::sources::prometheus::fuse::{Alone, FuseLimits, Fused, Template, fuse};
use futures::future::join_all;
use libtest_mimic::Failed;

use control_plane::trial;
use data::{APPS, NAMESPACES, NOBODY};
use generate::{Dice, Grammar, Pattern};
use server::Server;

/// Names the seed of the run that is to be repeated.
const SEED_VARIABLE: &str = "FLYBALL_SEED";
/// Patterns of a run, each for several members.
const PATTERNS: u64 = 1000;
/// What adding up in another order may change, in relation to the value.
const TOLERANCE: f64 = 1e-9;
/// More series than any answer here has.
const MAX_SERIES: usize = 10_000;
/// How often a single query is asked again whose answer differs from the shared one.
const AGAIN: usize = 20;
/// Most answers that may be unsteady by themselves, as a share of those compared.
const MOST_UNSTEADY: f64 = 0.02;
/// Fewest compared answers with series that count as a proof.
const LEAST_COMPARED: usize = 1_500;

fn main() {
    let arguments = libtest_mimic::Arguments::from_args();
    #[allow(unused_mut, reason = "without the sandbox there is one trial")]
    let mut trials = vec![trial("a_real_prometheus_answers_alike", &server::programs(), |assets| {
        run(async { compare(&Server::real(assets).await?, Grammar { whole: true }).await })
    })];
    #[cfg(feature = "sandbox")]
    trials.push(libtest_mimic::Trial::test("the_sandbox_answers_alike", || {
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
    /// Of these, requests of several parts joined by `or`.
    in_parts: usize,
    /// Shared requests that were refused: then all are asked alone, so nothing is compared.
    refused: usize,
    /// Single queries whose own answer differs from one asking to the next.
    unsteady: usize,
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
    let unsteady =
        f64::from(u32::try_from(tally.unsteady)?) > f64::from(u32::try_from(tally.compared)?) * MOST_UNSTEADY;
    if tally.compared < LEAST_COMPARED || unsteady {
        return Err(format!("{SEED_VARIABLE}={seed}: too few steady comparisons to prove anything: {tally:?}").into());
    }
    Ok(())
}

async fn check(server: &Server, pattern: &Pattern, dice: &mut Dice, tally: &mut Tally) -> Result<(), Failed> {
    let mut templates = Vec::new();
    for _ in 0..2 + dice.below(7) {
        let app = if dice.below(8) == 0 { NOBODY } else { dice.pick(&APPS) };
        let namespace = dice.pick(&NAMESPACES);
        let promql = pattern.of(dice, app, namespace);
        match Template::of(&promql) {
            Ok(template) => templates.push(template),
            // What the parser does not take, Prometheus refuses as well.
            Err(alone @ Alone::NotUnderstood) if server.ask(&promql).await?.is_ok() => {
                return Err(format!("{alone} {promql}").into());
            }
            Err(alone) => *tally.alone.entry(alone.reason()).or_default() += 1,
        }
    }
    let limits = FuseLimits {
        query_bytes: dice.pick(&[600, 32 * 1024, 32 * 1024]),
        members: dice.pick(&[3, 500, 500]),
        excess: dice.pick(&[1, 4]),
    };
    let requests = fuse(&templates.iter().collect::<Vec<_>>(), limits);
    for request in requests.iter().filter(|request| request.members().len() > 1) {
        tally.shared += 1;
        tally.in_parts += usize::from(request.promql.starts_with('(') && request.promql.contains(") or ("));
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
    let alone = |place: usize| templates[request.members()[place].templates()[0]].promql();
    let singles = join_all((0..request.members().len()).map(|place| server.ask(alone(place)))).await;
    for (place, single) in singles.into_iter().enumerate() {
        let alone = alone(place);
        match (single?, &shared) {
            (Ok(body), Ok(shared)) => {
                let (single, shared) = (decode_labelled(&body, MAX_SERIES, &[])?.answer, &shared[place]);
                if alike(&single, shared) {
                    *(if single.points.is_empty() { &mut tally.empty } else { &mut tally.compared }) += 1;
                } else if unsteady(server, alone, &single).await? {
                    tally.unsteady += 1;
                } else {
                    let promql = &request.promql;
                    return Err(
                        format!("alone {alone}\n yields {single:?}\n, shared {promql}\n yields {shared:?}").into()
                    );
                }
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

/// As many points, at the same instants, of the same values, with the same remarks. Prometheus adds up in an order that it does not
/// keep itself (the groups of `histogram_quantile` come out of a hash), so the last digits may differ.
fn alike(left: &Answer, right: &Answer) -> bool {
    let same = |(left, right): (&Point, &Point)| {
        let close = (left.value - right.value).abs() <= left.value.abs().max(right.value.abs()) * TOLERANCE;
        let equal =
            left.value.to_bits() == right.value.to_bits() || close || (left.value.is_nan() && right.value.is_nan());
        left.at == right.at && equal
    };
    let points = left.points.len() == right.points.len() && sorted(left).iter().zip(&sorted(right)).all(same);
    points && left.warnings == right.warnings && left.infos == right.infos
}

/// Whether a single query has no answer of its own to compare with: the order of adding up decides, for example, whether `rate` over
/// a subquery of sums sees a counter start over, and Prometheus changes that order from one asking to the next.
async fn unsteady(server: &Server, promql: &str, first: &Answer) -> Result<bool, Failed> {
    for _ in 0..AGAIN {
        let body = server.ask(promql).await??;
        if !alike(first, &decode_labelled(&body, MAX_SERIES, &[])?.answer) {
            return Ok(true);
        }
    }
    Ok(false)
}
