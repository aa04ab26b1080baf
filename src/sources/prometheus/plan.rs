//! Which questions of one tick become which requests. The seam between the desk and `fuse`, which knows PromQL: keeps what `fuse` found
//! out about each query, and takes joint answers apart with it. Asks nobody.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use super::decode::{Answer, decode_labelled};
use super::fuse::{FuseLimits, Fused, Member, Shape, Template, fuse};

/// Queries whose templates are kept, twice over: about 1 kB each, less where many are of one shape. Beyond it those not asked for longest
/// are read anew.
const MAX_TEMPLATES: usize = 10_000;

/// Takes the answer of a request apart: one answer per member, in their order; `None` where it makes no sense. Its second argument is how
/// many series the whole may hold.
pub(super) type Split = Box<dyn Fn(&[u8], usize) -> Option<Vec<Answer>> + Send + Sync>;

/// Two or more queries that one request answers.
pub(super) struct Joint {
    /// What is asked.
    pub(super) promql: Arc<str>,
    /// Which of the queries it answers: indices, each in one joint at most.
    pub(super) members: Vec<usize>,
    /// Takes the answer apart.
    pub(super) split: Split,
}

/// Knows which queries may be asked together.
pub(super) trait Planner: Send + Sync + 'static {
    /// Groups of `queries`, all different, of at most `most` members each. What is in no group is asked alone.
    fn join(&self, queries: &[&Arc<str>], most: usize) -> Vec<Joint>;
}

/// Joins queries of one shape.
#[derive(Debug, Default)]
pub(super) struct Shapes {
    templates: Mutex<Templates>,
}

/// Two generations: what is asked moves into the young one; when that is full it becomes the old one, whose rest is forgotten.
#[derive(Debug, Default)]
struct Templates {
    young: Generation,
    old: Generation,
}

#[derive(Debug, Default)]
struct Generation {
    of_queries: BTreeMap<Arc<str>, Option<Arc<Template>>>,
    /// The shapes of these templates, so that equal ones are kept once. Only looked up: its order reaches nobody.
    shapes: HashSet<Shape>,
}

impl Planner for Shapes {
    fn join(&self, queries: &[&Arc<str>], most: usize) -> Vec<Joint> {
        let found: Vec<(usize, Arc<Template>)> =
            queries.iter().enumerate().filter_map(|(index, promql)| Some((index, self.template(promql)?))).collect();
        let templates: Vec<&Template> = found.iter().map(|(_, template)| &**template).collect();
        let defaults = FuseLimits::default();
        let limits = FuseLimits { members: most.min(defaults.members), ..defaults };
        fuse(&templates, limits).into_iter().filter_map(|fused| joint(fused, &found)).collect()
    }
}

impl Shapes {
    /// The template of a query; `None` where it is to be asked alone.
    fn template(&self, promql: &Arc<str>) -> Option<Arc<Template>> {
        if let Some(known) = self.templates.lock().unwrap_or_else(PoisonError::into_inner).find(promql) {
            return known;
        }
        // Outside the lock: reading takes long, and two who read the same do no harm.
        let template = Template::of(promql)
            .inspect_err(
                |alone| tracing::debug!(query = %promql, reason = alone.reason(), %alone, "A query is asked alone"),
            )
            .ok();
        let mut templates = self.templates.lock().unwrap_or_else(PoisonError::into_inner);
        let template = template.map(|template| Arc::new(templates.intern(template)));
        templates.keep(promql.clone(), template.clone());
        template
    }
}

impl Templates {
    fn find(&mut self, promql: &Arc<str>) -> Option<Option<Arc<Template>>> {
        if let Some(known) = self.young.of_queries.get(promql) {
            return Some(known.clone());
        }
        let (promql, known) = self.old.of_queries.remove_entry(promql)?;
        self.keep(promql, known.clone());
        Some(known)
    }

    /// `template` with the shape that is kept already, if one is.
    fn intern(&self, template: Template) -> Template {
        let kept = |generation: &Generation| generation.shapes.get(template.shape()).cloned();
        match kept(&self.young).or_else(|| kept(&self.old)) {
            Some(shape) => template.sharing(&shape),
            None => template,
        }
    }

    fn keep(&mut self, promql: Arc<str>, template: Option<Arc<Template>>) {
        if self.young.of_queries.len() >= MAX_TEMPLATES {
            self.old = std::mem::take(&mut self.young);
        }
        if let Some(template) = &template
            && !self.young.shapes.contains(template.shape())
        {
            self.young.shapes.insert(template.shape().clone());
        }
        self.young.of_queries.insert(promql, template);
    }
}

/// The request as the desk wants it; `None` where it would answer a single query.
fn joint(fused: Fused, found: &[(usize, Arc<Template>)]) -> Option<Joint> {
    let index = |place: &usize| found.get(*place).map(|(index, _)| *index);
    let members: Vec<usize> = fused.members().iter().flat_map(Member::templates).filter_map(index).collect();
    if members.len() < 2 {
        return None;
    }
    let promql = fused.promql.clone();
    let split = move |body: &[u8], max_series: usize| {
        let labels: Vec<&str> = fused.labels().iter().map(String::as_str).collect();
        let answers = fused.split(decode_labelled(body, max_series, &labels).ok()?).ok()?;
        // Several spellings of one query are one member.
        let each = fused.members().iter().zip(answers);
        Some(each.flat_map(|(member, answer)| vec![answer; member.templates().len()]).collect())
    };
    Some(Joint { promql, members, split: Box::new(split) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(shapes: &Shapes, queries: &[&str], most: usize) -> Vec<(String, Vec<usize>)> {
        let queries: Vec<Arc<str>> = queries.iter().map(|query| Arc::from(*query)).collect();
        let joints = shapes.join(&queries.iter().collect::<Vec<_>>(), most);
        joints.into_iter().map(|joint| (joint.promql.to_string(), joint.members)).collect()
    }

    #[test]
    fn queries_of_one_shape_share_a_request_and_its_answer_is_taken_apart() {
        let shapes = Shapes::default();
        let queries = [r#"load{app="b"}"#, "up == 1", r#"load{app='a'}"#, r#"load{app="a"}"#, r#"other{app="a"}"#];
        let queries: Vec<Arc<str>> = queries.into_iter().map(Arc::from).collect();
        let joints = shapes.join(&queries.iter().collect::<Vec<_>>(), usize::MAX);
        let [joint] = joints.as_slice() else { panic!("{} joints", joints.len()) };
        assert_eq!((&*joint.promql, joint.members.as_slice()), (r#"load{app=~"a|b"}"#, [2, 3, 0].as_slice()));
        let body = br#"{"status":"success","data":{"resultType":"vector","result":[
            {"metric":{"__name__":"load","app":"b","pod":"1"},"value":[7,"1"]},
            {"metric":{"__name__":"load","app":"a"},"value":[7,"2"]},
            {"metric":{"__name__":"load","app":"b","pod":"2"},"value":[7,"3"]}]}}"#;
        let values = |answers: Vec<Answer>| -> Vec<Vec<f64>> {
            answers.iter().map(|answer| answer.points.iter().map(|point| point.value).collect()).collect()
        };
        assert_eq!((joint.split)(body, 10).map(values), Some(vec![vec![2.0], vec![2.0], vec![1.0, 3.0]]));
        assert_eq!((joint.split)(body, 2), None, "too many series");
        assert_eq!((joint.split)(b"<html>", 2), None);
    }

    #[test]
    fn groups_are_no_larger_than_wanted() {
        let shapes = Shapes::default();
        let queries: Vec<String> = (0..5).map(|app| format!("load{{app=\"{app}\"}}")).collect();
        let queries: Vec<&str> = queries.iter().map(String::as_str).collect();
        let sizes = |most| plan(&shapes, &queries, most).iter().map(|(_, members)| members.len()).collect::<Vec<_>>();
        assert_eq!(sizes(100), [5]);
        assert_eq!(sizes(2), [2, 2], "the fifth goes alone");
        assert_eq!(sizes(1), [0; 0]);
    }

    #[test]
    fn templates_are_kept_within_bounds() {
        let mut templates = Templates::default();
        for index in 0..3 * MAX_TEMPLATES {
            templates.keep(index.to_string().into(), None);
            assert!(templates.find(&"0".into()).is_some(), "what is asked again and again stays");
        }
        assert!(templates.young.of_queries.len() + templates.old.of_queries.len() <= 2 * MAX_TEMPLATES);
        assert!(templates.find(&"1".into()).is_none());
    }

    #[test]
    fn a_thousand_queries_of_one_shape_hold_one_tree() {
        let shapes = Shapes::default();
        let query = |app: usize| Arc::from(format!("sum(rate(load{{app=\"{app}\"}}[2m]))"));
        let templates: Vec<Arc<Template>> = (0..1_000).filter_map(|app| shapes.template(&query(app))).collect();
        assert_eq!(templates.len(), 1_000);
        assert!(templates.iter().all(|template| template.shape().is_one_with(templates[0].shape())));
        let other = shapes.template(&Arc::from("load{app=\"1\"}")).unwrap();
        assert!(!other.shape().is_one_with(templates[0].shape()));
        assert_eq!(shapes.templates.lock().unwrap().young.shapes.len(), 2);
    }

    #[test]
    fn shapes_move_with_their_queries_and_are_forgotten_with_them() {
        let mut templates = Templates::default();
        let keep = |templates: &mut Templates, promql: &str| {
            let template = Arc::new(templates.intern(Template::of(promql).unwrap()));
            templates.keep(promql.into(), Some(template.clone()));
            template
        };
        let first = keep(&mut templates, "load{app=\"a\"}");
        keep(&mut templates, "seldom{app=\"a\"}");
        for index in 0..2 * MAX_TEMPLATES {
            templates.keep(index.to_string().into(), None);
            assert!(templates.find(&"load{app=\"a\"}".into()).is_some());
        }
        let later = keep(&mut templates, "load{app=\"b\"}");
        assert!(later.shape().is_one_with(first.shape()));
        assert!(templates.young.shapes.len() + templates.old.shapes.len() <= 2, "the one seldom asked is forgotten");
    }
}
