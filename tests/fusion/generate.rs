//! Queries that nobody thought of, and the values that tell them apart.

/// SplitMix64.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    pub(crate) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::try_from(self.below(choices.len() as u64)).unwrap()]
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }
}

/// How queries are made.
#[derive(Clone, Copy)]
pub(crate) struct Grammar {
    /// Everything that is shared, and some of what is not; else only what the sandbox evaluates.
    pub(crate) whole: bool,
}

/// A query with open values: `\u{1}` stands for the app, `\u{2}` for the namespace, quotes included.
#[derive(Debug, Clone)]
pub(crate) struct Pattern(String);

impl Pattern {
    pub(crate) fn random(dice: &mut Dice, grammar: Grammar) -> Self {
        let mut writer = Writer { namespace: !dice.one_in(3), dice, grammar };
        Self(writer.vector(3))
    }

    /// The query for one app and namespace, in one of several ways to write it.
    pub(crate) fn of(&self, dice: &mut Dice, app: &str, namespace: &str) -> String {
        self.0.replace('\u{1}', &quoted(dice, app)).replace('\u{2}', &quoted(dice, namespace))
    }
}

fn quoted(dice: &mut Dice, value: &str) -> String {
    let quote = dice.pick(&['"', '"', '\'']);
    let mut out = String::from(quote);
    for character in value.chars() {
        match character {
            '\n' => out.push_str("\\n"),
            '\\' => out.push_str("\\\\"),
            _ if character == quote => out.extend(['\\', quote]),
            _ => out.push(character),
        }
    }
    out.push(quote);
    out
}

const LABELS: [&str; 6] = ["app", "ns", "pod", "code", "le", "nothing"];

struct Writer<'a> {
    dice: &'a mut Dice,
    grammar: Grammar,
    namespace: bool,
}

impl Writer<'_> {
    fn vector(&mut self, depth: u64) -> String {
        if depth == 0 {
            return self.leaf();
        }
        let inner = depth - 1;
        match self.dice.below(if self.grammar.whole { 13 } else { 6 }) {
            0 => self.leaf(),
            1..=3 => self.aggregation(inner),
            4 => self.beside_a_number(inner),
            5 | 11 => self.pair(inner),
            6 => format!("({})", self.vector(inner)),
            7 => {
                let function = self.dice.pick(&["abs", "ceil", "sqrt", "ln", "sgn", "exp", "-", "timestamp", "deg"]);
                format!("{function}({})", self.vector(inner))
            }
            8 => {
                let (before, after) =
                    self.dice.pick(&[("clamp_min(", ", 2)"), ("round(", ", 0.5)"), ("clamp(", ", 1, 50)")]);
                format!("{before}{}{after}", self.vector(inner))
            }
            9 => self.histogram(),
            10 => self.subquery(inner),
            _ if self.dice.one_in(3) => self.refused(inner),
            _ => self.aggregation(inner),
        }
    }

    fn leaf(&mut self) -> String {
        if self.dice.one_in(3) {
            let gauge = self.dice.pick(&["g", "g", "c_total"]);
            return self.selector(gauge, "");
        }
        let whole =
            ["rate", "increase", "delta", "max_over_time", "last_over_time", "changes", "count_over_time", "deriv"];
        let function = if self.grammar.whole { self.dice.pick(&whole) } else { self.dice.pick(&whole[..2]) };
        let metric = self.dice.pick(&["c_total", "d_total", "g"]);
        let range = self.dice.pick(&["[1m]", "[2m]", "[5m]"]);
        if self.grammar.whole && self.dice.one_in(8) {
            let selector = self.selector(metric, range);
            return self.dice.pick(&["quantile_over_time(0.5, $)", "predict_linear($, 60)"]).replace('$', &selector);
        }
        format!("{function}({})", self.selector(metric, range))
    }

    fn selector(&mut self, metric: &str, range: &str) -> String {
        let mut matchers = vec!["app=\u{1}".to_owned()];
        if self.namespace && !self.dice.one_in(8) {
            matchers.push("ns=\u{2}".to_owned());
        }
        let extra = ["pod!=\"p1\"", "code=\"200\"", "code!~\"5..\"", "ns=\"shop\"", "nothing=\"\"", "app!=\"web\""];
        if self.dice.one_in(4) {
            matchers.push(self.dice.pick(&extra[..if self.grammar.whole { 6 } else { 2 }]).to_owned());
        }
        if self.dice.one_in(2) {
            matchers.reverse();
        }
        let mut time = "";
        if self.grammar.whole && self.dice.one_in(6) {
            time = self.dice.pick(&[" offset 1m", " offset -30s", " @ 1767229500", " @ end() offset 45s"]);
        }
        let space = self.dice.pick(&["", "", " "]);
        format!("{metric}{space}{{{}}}{range}{time}", matchers.join(self.dice.pick(&[",", ", "])))
    }

    fn labels(&mut self) -> String {
        let count = self.dice.below(3);
        (0..count).map(|_| self.dice.pick(&LABELS)).collect::<Vec<_>>().join(", ")
    }

    fn grouping(&mut self) -> String {
        match self.dice.below(if self.grammar.whole { 4 } else { 3 }) {
            0 => String::new(),
            1 | 2 => format!(" by ({}) ", self.labels()),
            _ => format!(" without ({}) ", self.labels()),
        }
    }

    fn aggregation(&mut self, depth: u64) -> String {
        let operation =
            self.dice.pick(&["sum", "sum", "sum", "max", "min", "avg", "count", "group", "stddev", "quantile"]);
        let operation =
            if self.grammar.whole { operation } else { self.dice.pick(&["sum", "max", "min", "count", "avg"]) };
        let parameter = if operation == "quantile" { "0.7, " } else { "" };
        let (grouping, inner) = (self.grouping(), self.vector(depth));
        if self.dice.one_in(3) {
            return format!("{operation}({parameter}{inner}){grouping}");
        }
        format!("{operation}{grouping}({parameter}{inner})")
    }

    fn beside_a_number(&mut self, depth: u64) -> String {
        let inner = self.vector(depth);
        let plain = ["$ * 2.5", "$ / 60", "3 - $", "100 * ($)", "($) + 0.1"];
        let whole = [
            "$ > 5",
            "$ > bool 5",
            "$ % 7",
            "2 ^ ($)",
            "time() - $",
            "$ <= 20",
            "(1 + 2) * $",
            "-1 * $",
            "$ == bool 0",
        ];
        let choices: Vec<&str> = plain.iter().chain(whole.iter().filter(|_| self.grammar.whole)).copied().collect();
        self.dice.pick(&choices).replace('$', &inner)
    }

    fn pair(&mut self, depth: u64) -> String {
        // Sides that are alike pair more often.
        let grouping = self.grouping();
        let alike = !self.dice.one_in(3);
        let side = |writer: &mut Self| {
            let inner = writer.vector(depth);
            if alike { format!("sum{grouping}({inner})") } else { inner }
        };
        let (left, right) = (side(self), side(self));
        let (left, right) =
            if self.dice.one_in(2) { (format!("({left})"), format!("({right})")) } else { (left, right) };
        if !self.grammar.whole {
            return format!("{left} {} {right}", self.dice.pick(&["+", "-", "*", "/", "or"]));
        }
        let operators = ["+", "-", "*", "/", "/", ">", "<= bool", "==", "and", "or", "unless", "%", "atan2"];
        let operator = self.dice.pick(&operators);
        let matching = match self.dice.below(6) {
            0 => format!(" on ({})", self.labels()),
            1 => format!(" ignoring ({})", self.labels()),
            2 if self.dice.one_in(3) && !["and", "or", "unless"].contains(&operator) => {
                " on (app) group_left ()".to_owned()
            }
            _ => String::new(),
        };
        format!("{left} {operator}{matching} {right}")
    }

    fn histogram(&mut self) -> String {
        let rate = format!("rate({})", self.selector("h_bucket", "[5m]"));
        let inner = match self.dice.below(3) {
            0 => rate,
            1 => format!("sum by (le) ({rate})"),
            _ => format!("sum by (pod, le) ({rate})"),
        };
        format!("histogram_quantile({}, {inner})", self.dice.pick(&["0.5", "0.95", "time() / time()"]))
    }

    fn subquery(&mut self, depth: u64) -> String {
        let function = self.dice.pick(&["max_over_time", "avg_over_time", "rate", "count_over_time"]);
        let range = self.dice.pick(&["[3m:30s]", "[2m:1m]", "[2m:20s] offset 1m"]);
        format!("{function}(({}){range})", self.vector(depth))
    }

    /// Forms that must be asked alone.
    fn refused(&mut self, depth: u64) -> String {
        let inner = self.vector(depth);
        let forms = [
            "topk(1, $)",
            "bottomk(2, $)",
            "absent($)",
            "scalar($) + $",
            "sort($)",
            "$ or vector(0)",
            "count_values(\"v\", $)",
            "label_replace($, \"app\", \"x\", \"pod\", \"p.*\")",
            "$ + sum(g)",
            "$ * on () group_left () sum($)",
            "sum(g{app!=\"\"}) - $",
        ];
        self.dice.pick(&forms).replace('$', &inner)
    }
}
