//! How a group of queries is asked, and taken apart where that fails. Owns which of its members is asked again, and with whom; must not
//! know who waits for them.
//!
//! A group that fails because of what it asks is asked again in halves, and those in halves, until whoever is to blame stands alone: one
//! poison query hurts only itself, and costs a few requests, not one for each of the others. Where both halves run out of time the server
//! is slow as a whole, and is not asked still more; neither is it where it is ill. An answer with warnings is asked for one by one, to
//! see whose they are.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::future::BoxFuture;
use tokio::task::JoinSet;

use super::decode::{Answer, decode};
use super::desk::{Desk, Moment, Wanted};
use super::line::{Failure, Order};
use super::plan::Joint;
use super::quarantine::{Alone, Company};
use super::{Transport, read};
use crate::engine::{Absence, Absent};

/// How members fared, by their text.
type Fared = Vec<(Arc<str>, Alone)>;

/// What came of asking several at once.
enum Tried {
    /// Everybody has been told.
    Settled(Fared),
    /// Nobody has: the server stumbled over what was asked.
    Failed(Vec<Wanted>, Failure),
    /// Nobody has: somebody's data is not whole.
    Warned(Vec<Wanted>),
}

impl<T: Transport> Desk<T> {
    /// One request for several queries, and more where it fails.
    pub(super) async fn serve_joint(
        self: Arc<Self>,
        joint: Joint,
        members: Vec<Wanted>,
        (moment, company): (Moment, Company),
    ) {
        let tried = self.ask_joint(joint, members, (moment, company)).await;
        if matches!(tried, Tried::Settled(_)) {
            return;
        }
        self.tally.fallbacks.fetch_add(1, Ordering::Relaxed);
        let fared = self.clone().settle(tried, moment).await;
        self.learn(fared);
    }

    async fn ask_joint(
        self: &Arc<Self>,
        joint: Joint,
        members: Vec<Wanted>,
        (moment, company): (Moment, Company),
    ) -> Tried {
        self.tally.joint(members.len());
        let mut namespaces: Vec<Arc<str>> = members.iter().flat_map(|member| member.namespaces.clone()).collect();
        namespaces.sort();
        namespaces.dedup();
        let order = Order { promql: joint.promql, namespaces, time: moment.time, end: moment.end, leave_half: true };
        let raw = match self.line.send(&order).await {
            Ok(raw) => raw,
            Err(failure) if failure.about_query => return Tried::Failed(members, failure),
            Err(failure) => return Tried::Settled(tell_all(members, (&failure.absent, Alone::Unknown), moment)),
        };
        let Some(answers) = (joint.split)(&raw.body, self.line.limits.series).filter(|all| all.len() == members.len())
        else {
            let message = "The answer to several queries at once could not be taken apart.".into();
            let absent = Absent { absence: Absence::Malformed, message };
            return Tried::Failed(members, Failure { absent, about_query: true });
        };
        if !company.warned && answers.iter().any(|answer| read::why_partial(answer).is_some()) {
            return Tried::Warned(members);
        }
        let mut fared = Fared::with_capacity(members.len());
        for (member, answer) in members.into_iter().zip(answers) {
            fared.push((member.promql().clone(), Alone::Answered));
            member.flight.deliver((Ok(answer), moment.time));
        }
        Tried::Settled(fared)
    }

    fn settle(self: Arc<Self>, tried: Tried, moment: Moment) -> BoxFuture<'static, Fared> {
        Box::pin(async move {
            match tried {
                Tried::Settled(fared) => fared,
                Tried::Warned(members) => self.one_by_one(members, moment).await,
                Tried::Failed(members, _) => self.halve(members, moment).await,
            }
        })
    }

    /// Asks for both halves of a group that failed.
    async fn halve(self: Arc<Self>, mut members: Vec<Wanted>, moment: Moment) -> Fared {
        let others = members.split_off(members.len() / 2);
        let (one, other) = tokio::join!(self.ask_half(members, moment), self.ask_half(others, moment));
        match (one, other) {
            (Tried::Failed(mut members, why), Tried::Failed(others, _)) if why.absent.absence == Absence::Timeout => {
                members.extend(others);
                tell_all(members, (&why.absent, Alone::Slow), moment)
            }
            (one, other) => {
                let (mut fared, others) =
                    tokio::join!(self.clone().settle(one, moment), self.clone().settle(other, moment));
                fared.extend(others);
                fared
            }
        }
    }

    async fn ask_half(self: &Arc<Self>, members: Vec<Wanted>, moment: Moment) -> Tried {
        let queries: Vec<&Arc<str>> = members.iter().map(Wanted::promql).collect();
        let mut joints = if members.len() > 1 { self.planner.join(&queries, usize::MAX) } else { Vec::new() };
        match joints.pop() {
            Some(joint) if joints.is_empty() && joint.members.len() == members.len() => {
                let mut places: Vec<Option<Wanted>> = members.into_iter().map(Some).collect();
                // In the order of the joint, which its answers have.
                let members = joint.members.iter().filter_map(|index| places.get_mut(*index)?.take()).collect();
                self.ask_joint(joint, members, (moment, Company::ANY)).await
            }
            _ => Tried::Settled(self.one_by_one(members, moment).await),
        }
    }

    /// The members of a group, each by itself.
    async fn one_by_one(self: &Arc<Self>, members: Vec<Wanted>, moment: Moment) -> Fared {
        let mut asked = JoinSet::new();
        for member in members {
            asked.spawn(self.clone().serve_single(member, moment));
        }
        let mut fared = Fared::with_capacity(asked.len());
        while let Some(ended) = asked.join_next().await {
            // Of one that panicked nothing is known here; who waited for it has been told.
            fared.extend(ended.ok());
        }
        fared
    }

    /// One request for one query; tells how it fared.
    pub(super) async fn serve_single(self: Arc<Self>, wanted: Wanted, moment: Moment) -> (Arc<str>, Alone) {
        let Wanted { flight, namespaces } = wanted;
        let promql = flight.key.0.clone();
        let order = Order { promql: promql.clone(), namespaces, time: moment.time, end: moment.end, leave_half: false };
        let (answer, alone) = match self.line.send(&order).await {
            Ok(raw) => match decode(&raw.body, self.line.limits.series) {
                Ok(answer) if read::why_partial(&answer).is_some() => (Ok(answer), Alone::Warned),
                Ok(answer) => (Ok(answer), Alone::Answered),
                Err(error) => {
                    let absent = Absent { absence: error.absence(), message: error.to_string().into() };
                    (Err(absent), Alone::Failed)
                }
            },
            Err(Failure { absent, about_query: true }) => (Err(absent), Alone::Failed),
            Err(Failure { absent, .. }) => (Err(absent), Alone::Unknown),
        };
        flight.deliver((answer, moment.time));
        (promql, alone)
    }
}

/// Tells the same to all of a group.
fn tell_all(members: Vec<Wanted>, (absent, alone): (&Absent, Alone), moment: Moment) -> Fared {
    let tell = |member: Wanted| {
        let promql = member.promql().clone();
        let answer: Result<Answer, Absent> = Err(absent.clone());
        member.flight.deliver((answer, moment.time));
        (promql, alone)
    };
    members.into_iter().map(tell).collect()
}
