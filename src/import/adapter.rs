//! Rules of prometheus-adapter: an Object or External metric that the adapter would serve, as the query that it would send. Only what can
//! be told from the rules alone is translated; where the adapter looks at its Prometheus to know what a rule means, it is refused.
//! Must not guess: another query is another number of replicas.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::text;

/// The rules, by the API that they serve.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rules {
    custom: Vec<Value>,
    external: Vec<Value>,
}

/// Why a metric is not translated: field below the metric, its value, and what to do.
pub(super) type Obstacle = (&'static str, String, String);

impl Rules {
    /// Reads the adapter's configuration, a ConfigMap of it, or the values of its Helm chart.
    ///
    /// # Errors
    /// With a sentence, if there are no rules in it.
    pub fn read(text: &str) -> Result<Self, String> {
        let value =
            |text: &str| serde_saphyr::from_str::<Value>(text).map_err(|error| error.without_snippet().to_string());
        let mut config = value(text)?;
        let inner =
            config.get("data").and_then(Value::as_object).and_then(|data| data.values().find_map(Value::as_str));
        if let Some(inner) = inner {
            config = value(inner)?;
        }
        let list = |pointer: &str| config.pointer(pointer).and_then(Value::as_array).cloned().unwrap_or_default();
        let rules = Self {
            custom: [list("/rules"), list("/rules/custom")].concat(),
            external: [list("/externalRules"), list("/rules/external")].concat(),
        };
        if rules.custom.is_empty() && rules.external.is_empty() {
            return Err("holds no rules: give the adapter's config.yaml, or the values of its chart".into());
        }
        Ok(rules)
    }

    /// The Prometheus metric for `metric` of an HPA in `namespace`; `None` where its type is not one that the adapter serves.
    pub(super) fn translate(&self, metric: &Value, namespace: &str) -> Option<Result<Value, Obstacle>> {
        let named = |block: &Value, made: Result<Value, Obstacle>| {
            let name = || text(block, "/metric/name").to_owned();
            Some(made.map_err(|(field, value, fix)| (field, if value.is_empty() { name() } else { value }, fix)))
        };
        match text(metric, "/type") {
            "Object" => named(&metric["object"], self.object(&metric["object"], namespace)),
            "External" => named(&metric["external"], self.external(&metric["external"], namespace)),
            "Pods" => Some(Err((
                "type",
                "Pods".into(),
                "is an average over the pods that HPA counts, which no rule tells: import it without --adapter-rules to keep it as it is".into(),
            ))),
            _ => None,
        }
    }

    fn external(&self, block: &Value, namespace: &str) -> Result<Value, Obstacle> {
        let (rule, series) = find(&self.external, block, "external.metric.name")?;
        let mut matchers = selector(block, "external.metric.selector")?;
        if rule.pointer("/resources/namespaced") != Some(&json!(false)) {
            matchers.push(matcher(&label(rule, "", "namespace", "external.metric.name")?, "=", &required(namespace)?));
        }
        let query = query(rule, (&series, &matchers.join(","), ""), "external.metric.name")?;
        // HPA takes the field that is set, and sums the values.
        let field = if block.pointer("/target/value").is_some() { "value" } else { "averageValue" };
        Ok(prometheus(&query, "Sum", block, field))
    }

    fn object(&self, block: &Value, namespace: &str) -> Result<Value, Obstacle> {
        let (rule, series) = find(&self.custom, block, "object.metric.name")?;
        let mut matchers = selector(block, "object.metric.selector")?;
        let (kind, api_version) = (text(block, "/describedObject/kind"), text(block, "/describedObject/apiVersion"));
        if kind == "Namespace" {
            let fix = "is asked for in another way than other objects, which is not translated";
            return Err(("object.describedObject.kind", kind.into(), fix.into()));
        }
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        let object_label = label(rule, group, &kind.to_lowercase(), "object.describedObject.kind")?;
        matchers.push(matcher(&label(rule, "", "namespace", "object.metric.name")?, "=", &required(namespace)?));
        matchers.push(matcher(&object_label, "=", text(block, "/describedObject/name")));
        let query = query(rule, (&series, &matchers.join(","), &object_label), "object.metric.name")?;
        let field = match text(block, "/target/type") {
            "Value" => "value",
            "AverageValue" => "averageValue",
            other => return Err(("object.target.type", other.into(), "must be Value or AverageValue".into())),
        };
        Ok(prometheus(&query, "ExactlyOne", block, field))
    }
}

fn required(namespace: &str) -> Result<String, Obstacle> {
    let missing = || ("", String::new(), "needs metadata.namespace, which the query of the adapter names".to_owned());
    if namespace.is_empty() { Err(missing()) } else { Ok(namespace.to_owned()) }
}

fn prometheus(query: &str, series: &str, block: &Value, field: &str) -> Value {
    let kind = if field == "value" { "Value" } else { "AverageValue" };
    let mut target = Map::from_iter([("type".to_owned(), json!(kind))]);
    if let Some(quantity) = block.pointer(&format!("/target/{field}")) {
        target.insert(field.to_owned(), quantity.clone());
    }
    json!({"type": "Prometheus", "prometheus": {"query": query, "series": series, "target": target}})
}

/// The one rule that serves the metric, with the series behind it.
fn find<'a>(rules: &'a [Value], block: &Value, field: &'static str) -> Result<(&'a Value, String), Obstacle> {
    let wanted = text(block, "/metric/name");
    let serves = |rule: &'a Value| series_of(rule, wanted).map(|series| (rule, series));
    let mut found = rules.iter().filter_map(serves);
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (Some(_), Some(_)) => Err((field, wanted.into(), "is served by several rules of the adapter".into())),
        (None, _) => Err((
            field,
            wanted.into(),
            "is served by no rule that names its series: a rule whose seriesQuery or name is a pattern needs a query written by hand".into(),
        )),
    }
}

/// The series of `rule`, if it is one fixed series and its name in the API is `wanted`.
fn series_of(rule: &Value, wanted: &str) -> Option<String> {
    let query = text(rule, "/seriesQuery").trim();
    let series = match query.strip_prefix('{') {
        None => query.split('{').next().unwrap_or_default().trim(),
        Some(inner) => inner.split_once("__name__=\"")?.1.split('"').next()?,
    };
    let filtered = rule.get("seriesFilters").and_then(Value::as_array).is_some_and(|filters| !filters.is_empty());
    if series.is_empty() || !is_name(series) || filtered {
        return None;
    }
    let (matches, renamed) = (text(rule, "/name/matches"), text(rule, "/name/as"));
    let group = captured(matches, series)?;
    let name = match (renamed, &group) {
        ("", None) => series.to_owned(),
        ("", Some(group)) => group.clone(),
        (renamed, group) => {
            let group = group.clone().unwrap_or_default();
            renamed.replace("${1}", &group).replace("${0}", series)
        }
    };
    // What is left of `$1` and the like: Go takes the longest name behind a bare dollar.
    let name = if name == "$0" {
        series.to_owned()
    } else if name == "$1" {
        group.unwrap_or_default()
    } else {
        name
    };
    (name == wanted && !name.contains('$')).then_some(series.to_owned())
}

/// What `(.*)` of a pattern such as `^(.*)_total$` takes from `series`; the outer `None` where the pattern is another kind or does not match.
#[allow(clippy::option_option)] // no match, a match without a group, a match with one
fn captured(pattern: &str, series: &str) -> Option<Option<String>> {
    if pattern.is_empty() || pattern == ".*" {
        return Some(None);
    }
    let anchored = pattern.starts_with('^');
    // Without a `$` the match may end earlier, but not if the series ends as the pattern does.
    let inner = pattern.trim_start_matches('^').trim_end_matches('$');
    let halves = inner.split_once("(.*)").or_else(|| inner.split_once("(.+)"));
    let Some((before, after)) = halves else {
        return (is_name(inner) && inner == series).then_some(None);
    };
    if !anchored && !before.is_empty() {
        return None;
    }
    let literal = |part: &str| part.is_empty() || part.chars().all(is_name_char);
    let group = series.strip_prefix(before).and_then(|rest| rest.strip_suffix(after))?;
    (literal(before) && literal(after) && !group.is_empty()).then(|| Some(group.to_owned()))
}

fn is_name(text: &str) -> bool {
    text.chars().all(is_name_char) && text.starts_with(|c: char| !c.is_ascii_digit())
}

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | ':')
}

/// The label that holds the name of a resource.
fn label(rule: &Value, group: &str, resource: &str, field: &'static str) -> Result<String, Obstacle> {
    let is_it = |named: &Value| {
        let plural = text(named, "/resource").to_lowercase();
        text(named, "/group") == group
            && [resource.to_owned(), format!("{resource}s"), format!("{resource}es")].contains(&plural)
    };
    let overrides = rule.pointer("/resources/overrides").and_then(Value::as_object);
    let mut found = overrides.into_iter().flatten().filter(|(_, named)| is_it(named)).map(|(label, _)| label.clone());
    let template = text(rule, "/resources/template");
    let by_template = || {
        let label = expand(template, &[(".Resource", resource)])?;
        (!template.is_empty()).then_some(label)
    };
    match (found.next(), found.next()) {
        (Some(label), None) => Some(label),
        (Some(_), Some(_)) => None,
        (None, _) => by_template(),
    }
    .filter(|label| is_name(label))
    .ok_or_else(|| (field, String::new(), format!("has no rule that tells which label holds the name of a {resource}")))
}

/// The selector of the metric as matchers, as the adapter makes them.
fn selector(block: &Value, field: &'static str) -> Result<Vec<String>, Obstacle> {
    let mut matchers = Vec::new();
    let labels = block.pointer("/metric/selector/matchLabels").and_then(Value::as_object);
    for (name, value) in labels.into_iter().flatten() {
        matchers.push((name.as_str(), matcher(name, "=", value.as_str().unwrap_or_default())));
    }
    let expressions = block.pointer("/metric/selector/matchExpressions").and_then(Value::as_array);
    for expression in expressions.into_iter().flatten() {
        let values = expression.get("values").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let mut values: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
        values.sort_unstable();
        let operator = match (text(expression, "/operator"), values.is_empty()) {
            ("In", false) => "=~",
            ("NotIn", false) => "!~",
            ("Exists", true) => "!=",
            ("DoesNotExist", true) => "=",
            (other, _) => return Err((field, other.into(), "cannot be a matcher of Prometheus".into())),
        };
        let name = text(expression, "/key");
        matchers.push((name, matcher(name, operator, &values.join("|"))));
    }
    if let Some((name, _)) = matchers.iter().find(|(name, _)| !is_name(name) || name.contains(':') || name.is_empty()) {
        return Err((field, (*name).into(), "is no label of Prometheus".into()));
    }
    Ok(matchers.into_iter().map(|(_, matcher)| matcher).collect())
}

fn matcher(label: &str, operator: &str, value: &str) -> String {
    let mut quoted = String::new();
    for c in value.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            _ => quoted.push(c),
        }
    }
    let mut matcher = String::new();
    let _always_fits = write!(matcher, "{label}{operator}\"{quoted}\"");
    matcher
}

/// The query of `rule` for series, matchers and the label to group by.
fn query(
    rule: &Value,
    (series, matchers, group_by): (&str, &str, &str),
    field: &'static str,
) -> Result<String, Obstacle> {
    let template = text(rule, "/metricsQuery");
    expand(template, &[(".Series", series), (".LabelMatchers", matchers), (".GroupBy", group_by)])
        .filter(|query| !query.trim().is_empty())
        .ok_or_else(|| {
            (
                field,
                String::new(),
                "has a metricsQuery with more than <<.Series>>, <<.LabelMatchers>> and <<.GroupBy>>".into(),
            )
        })
}

/// `template` with its `<<.Name>>` replaced; `None` where anything else stands between the brackets.
fn expand(template: &str, values: &[(&str, &str)]) -> Option<String> {
    let mut expanded = String::new();
    let mut rest = template;
    while let Some((before, behind)) = rest.split_once("<<") {
        let (name, behind) = behind.split_once(">>")?;
        expanded.push_str(before);
        expanded.push_str(values.iter().find(|(known, _)| *known == name.trim())?.1);
        rest = behind;
    }
    expanded.push_str(rest);
    Some(expanded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_serves_the_series_that_it_names() {
        let cases = [
            ("http_requests_total{namespace!=\"\"}", "", "", "http_requests_total", true),
            (
                "{__name__=\"http_requests_total\",pod!=\"\"}",
                "^(.*)_total$",
                "${1}_per_second",
                "http_requests_per_second",
                true,
            ),
            ("http_requests_total", "^(.*)_total$", "", "http_requests", true),
            ("http_requests_total", "^(.*)_total$", "$1", "http_requests", true),
            ("http_requests_total", "^(.*)_total$", "$1_per_second", "http_requests_per_second", false),
            ("http_requests_total", "^(.*)_total", "${1}_per_second", "http_requests_per_second", true),
            ("http_requests_total", "(.*)_total", "", "http_requests", true),
            ("http_requests_total", "requests_(.*)", "", "total", false),
            ("http_requests_total_all", "^(.*)_total", "", "http_requests", false),
            ("http_requests_total", "", "rps", "rps", true),
            ("http_requests_total", "^http_requests_total$", "rps", "rps", true),
            ("http_requests_total", "^(.*)_seconds$", "${1}", "http_requests_total", false),
            ("http_requests_total", "^(a|b)(.*)$", "rps", "rps", false),
            ("http_requests_total", "^http_.(.*)$", "rps", "rps", false),
            ("{__name__=~\"^http_.*\"}", "", "", "http_requests_total", false),
        ];
        for (query, matches, renamed, wanted, expected) in cases {
            let rule = json!({"seriesQuery": query, "name": {"matches": matches, "as": renamed}});
            assert_eq!(series_of(&rule, wanted).is_some(), expected, "{query} {matches} {renamed}");
        }
    }

    #[test]
    fn rules_are_read_from_where_people_keep_them() {
        let rules = "rules: [{seriesQuery: a}]\nexternalRules: [{seriesQuery: b}, {seriesQuery: c}]";
        let chart =
            "rules: {default: true, custom: [{seriesQuery: a}], external: [{seriesQuery: b}, {seriesQuery: c}]}";
        let map = format!("kind: ConfigMap\ndata:\n  config.yaml: |\n    {}\n", rules.replace('\n', "\n    "));
        for text in [rules, chart, &map] {
            let read = Rules::read(text).unwrap();
            assert_eq!((read.custom.len(), read.external.len()), (1, 2), "{text}");
        }
        assert!(Rules::read("rules: []").is_err());
        assert!(Rules::read("a: [").is_err());
    }

    #[test]
    fn only_the_three_words_are_filled_in() {
        let values = [(".Series", "s"), (".GroupBy", "")];
        assert_eq!(expand("sum(<<.Series>>) by (<< .GroupBy >>)", &values).as_deref(), Some("sum(s) by ()"));
        assert_eq!(expand("<<range .GroupBySlice>>", &values), None);
        assert_eq!(expand("<<.Series", &values), None);
    }
}
