//! The part of PromQL that the sandbox knows, parsed: selectors with matchers (regular expressions only as alternatives of words),
//! `rate`, `irate` and `increase`, `sum`/`avg`/`max`/`min`/`count` with `by`, `vector`, `timestamp`, numbers, `+ - * /` and `or`. Pure.

use std::fmt;

use super::selector::alternatives;
pub use super::selector::{Matcher, Selector};

/// Longest query that is read.
const MAX_QUERY_BYTES: usize = 64 * 1024;
/// Deepest nesting.
const MAX_DEPTH: usize = 32;

/// A parsed query.
#[derive(Debug, Clone, PartialEq)]
pub enum Expression {
    /// A number.
    Number(f64),
    /// The newest sample of each series that matches.
    Selector(Selector),
    /// The growth of counters over a window.
    Growth {
        /// How it is measured.
        growth: Growth,
        /// Which counters.
        selector: Selector,
        /// Length of the window.
        window_millis: i64,
    },
    /// Many series into few.
    Aggregate {
        /// How.
        operation: Aggregation,
        /// The labels that stay apart.
        by: Vec<String>,
        /// Of what.
        inner: Box<Expression>,
    },
    /// When the newest sample of each series that matches was taken, in seconds: `timestamp(selector)`.
    Taken(Selector),
    /// `vector(number)`.
    Vector(Box<Expression>),
    /// The series of the left side, and those of the right side whose labels none on the left has.
    Or {
        /// Left side.
        left: Box<Expression>,
        /// Right side.
        right: Box<Expression>,
    },
    /// Arithmetic.
    Binary {
        /// One of `+ - * /`.
        operator: char,
        /// Left side.
        left: Box<Expression>,
        /// Right side.
        right: Box<Expression>,
    },
}

/// How series become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aggregation {
    /// Their sum.
    Sum,
    /// Their mean.
    Avg,
    /// The largest.
    Max,
    /// The smallest.
    Min,
    /// How many there are.
    Count,
}

/// How growth is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Growth {
    /// In all (`increase`).
    Increase,
    /// Per second (`rate`).
    Rate,
    /// Per second, between the last two samples (`irate`).
    Latest,
}

/// Why a query cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    column: usize,
    problem: String,
}

impl std::error::Error for ParseError {}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1:{}: parse error: {}", self.column, self.problem)
    }
}

/// Reads a query.
///
/// # Errors
/// What is no PromQL, and what the sandbox does not know, with its place.
pub fn parse(query: &str) -> Result<Expression, ParseError> {
    let mut parser = Parser { text: query, at: 0, depth: 0 };
    if query.len() > MAX_QUERY_BYTES {
        return Err(parser.error(format!("the query is longer than {MAX_QUERY_BYTES} bytes")));
    }
    if parser.peek().is_none() {
        return Err(parser.error("no expression found in input"));
    }
    let expression = parser.either()?;
    match parser.peek() {
        None => Ok(expression),
        Some(character) => Err(parser.error(format!("unexpected {character:?}"))),
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn error(&self, problem: impl Into<String>) -> ParseError {
        ParseError { column: self.at + 1, problem: problem.into() }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&mut self) -> Option<char> {
        self.at += self.rest().len() - self.rest().trim_start().len();
        self.rest().chars().next()
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    fn expect(&mut self, wanted: char) -> Result<(), ParseError> {
        if self.take(wanted) {
            return Ok(());
        }
        let found = self.peek().map_or("end of input".to_owned(), |character| format!("{character:?}"));
        Err(self.error(format!("unexpected {found}, expected {wanted:?}")))
    }

    fn span(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        self.peek();
        let rest = self.rest();
        let end = rest.find(|character| !belongs(character)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn either(&mut self) -> Result<Expression, ParseError> {
        let mut left = self.sum()?;
        while self.peek().is_some() && self.rest().strip_prefix("or").is_some_and(|rest| !rest.starts_with(is_word)) {
            self.at += 2;
            left = Expression::Or { left: Box::new(left), right: Box::new(self.sum()?) };
        }
        Ok(left)
    }

    fn sum(&mut self) -> Result<Expression, ParseError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error(format!("nested deeper than {MAX_DEPTH}")));
        }
        let mut left = self.product()?;
        while let Some(operator @ ('+' | '-')) = self.peek() {
            self.at += 1;
            left = binary(operator, left, self.product()?);
        }
        self.depth -= 1;
        Ok(left)
    }

    fn product(&mut self) -> Result<Expression, ParseError> {
        let mut left = self.factor()?;
        while let Some(operator @ ('*' | '/')) = self.peek() {
            self.at += 1;
            left = binary(operator, left, self.factor()?);
        }
        Ok(left)
    }

    fn factor(&mut self) -> Result<Expression, ParseError> {
        match self.peek() {
            Some('(') => {
                self.at += 1;
                let inner = self.either()?;
                self.expect(')')?;
                Ok(inner)
            }
            Some('-') => {
                self.at += 1;
                self.depth += 1;
                if self.depth > MAX_DEPTH {
                    return Err(self.error(format!("nested deeper than {MAX_DEPTH}")));
                }
                let inner = self.factor()?;
                self.depth -= 1;
                Ok(binary('*', Expression::Number(-1.0), inner))
            }
            Some(character) if character.is_ascii_digit() || character == '.' => {
                let start = self.at;
                let text = self.span(|character| character.is_ascii_digit() || character == '.');
                text.parse().map(Expression::Number).map_err(|_| ParseError {
                    column: start + 1,
                    problem: format!("bad number or duration syntax: {text:?}"),
                })
            }
            Some(character) if is_word(character) => self.named(),
            Some('{') => Err(self.error("the sandbox needs the name of a metric before '{'")),
            Some(character) => Err(self.error(format!("unexpected {character:?}"))),
            None => Err(self.error("unexpected end of input")),
        }
    }

    fn named(&mut self) -> Result<Expression, ParseError> {
        let start = self.at;
        let word = self.span(is_word);
        let operation = match word {
            "sum" => Some(Aggregation::Sum),
            "avg" => Some(Aggregation::Avg),
            "max" => Some(Aggregation::Max),
            "min" => Some(Aggregation::Min),
            "count" => Some(Aggregation::Count),
            _ => None,
        };
        if let Some(operation) = operation {
            return self.aggregate(operation);
        }
        if self.peek() != Some('(') {
            return self.selector(word).map(Expression::Selector);
        }
        self.at += 1;
        let expression = match word {
            "increase" => self.growth(Growth::Increase)?,
            "rate" => self.growth(Growth::Rate)?,
            "irate" => self.growth(Growth::Latest)?,
            "timestamp" => {
                let name = self.span(is_word);
                Expression::Taken(self.selector(name)?)
            }
            "vector" => Expression::Vector(Box::new(self.sum()?)),
            _ => {
                let problem = format!("the sandbox does not know the function {word:?}");
                return Err(ParseError { column: start + 1, problem });
            }
        };
        self.expect(')')?;
        Ok(expression)
    }

    fn aggregate(&mut self, operation: Aggregation) -> Result<Expression, ParseError> {
        let mut by = self.grouping()?;
        self.expect('(')?;
        let inner = self.either()?;
        self.expect(')')?;
        by.extend(self.grouping()?);
        Ok(Expression::Aggregate { operation, by, inner: Box::new(inner) })
    }

    fn grouping(&mut self) -> Result<Vec<String>, ParseError> {
        self.peek();
        if self.rest().starts_with("without") {
            return Err(self.error("the sandbox does not know \"without\""));
        }
        let mut labels = Vec::new();
        if self.rest().strip_prefix("by").is_some_and(|rest| !rest.starts_with(is_word)) {
            self.at += 2;
            self.expect('(')?;
            while !self.take(')') {
                let label = self.span(is_word);
                if label.is_empty() {
                    return Err(self.error("unexpected character in grouping, expected label"));
                }
                labels.push(label.to_owned());
                self.take(',');
            }
        }
        Ok(labels)
    }

    fn growth(&mut self, growth: Growth) -> Result<Expression, ParseError> {
        let name = self.span(is_word);
        if name.is_empty() {
            return Err(self.error("expected type range vector in call to function \"rate\""));
        }
        let selector = self.selector(name)?;
        self.expect('[')?;
        let start = self.at;
        let window = self.span(|character| character.is_ascii_alphanumeric());
        let window_millis = duration_millis(window).ok_or_else(|| ParseError {
            column: start + 1,
            problem: format!("bad number or duration syntax: {window:?}"),
        })?;
        self.expect(']')?;
        Ok(Expression::Growth { growth, selector, window_millis })
    }

    fn selector(&mut self, name: &str) -> Result<Selector, ParseError> {
        let mut matchers = Vec::new();
        if self.take('{') {
            while !self.take('}') {
                matchers.push(self.matcher()?);
                if !self.take(',') && self.peek() != Some('}') {
                    return Err(self.error("unexpected character inside braces"));
                }
            }
        }
        Ok(Selector { name: name.to_owned(), matchers })
    }

    fn matcher(&mut self) -> Result<Matcher, ParseError> {
        let label = self.span(is_word).to_owned();
        self.peek();
        let operators = [("=~", true, true), ("!~", false, true), ("!=", false, false), ("=", true, false)];
        let found = operators.into_iter().find(|(operator, ..)| self.rest().starts_with(operator));
        let Some((operator, equal, pattern)) = found.filter(|_| !label.is_empty()) else {
            return Err(self.error("unexpected character inside braces, expected a label matcher"));
        };
        self.at += operator.len();
        let value = self.quoted()?;
        if !pattern {
            return Ok(Matcher { label, equal, values: vec![value], pattern });
        }
        let Some(values) = alternatives(&value) else {
            return Err(self.error("the sandbox knows regular expressions only as alternatives of words: a|b"));
        };
        Ok(Matcher { label, equal, values, pattern })
    }

    fn quoted(&mut self) -> Result<String, ParseError> {
        let Some(quote @ ('"' | '\'' | '`')) = self.peek() else {
            return Err(self.error("unexpected character in label matching, expected string"));
        };
        self.at += 1;
        let mut value = String::new();
        let mut escaped = false;
        for (offset, character) in self.rest().char_indices() {
            match character {
                _ if escaped => {
                    value.push(if character == 'n' { '\n' } else { character });
                    escaped = false;
                }
                '\\' if quote != '`' => escaped = true,
                _ if character == quote => {
                    self.at += offset + 1;
                    return Ok(value);
                }
                _ => value.push(character),
            }
        }
        Err(self.error("unterminated quoted string"))
    }
}

fn binary(operator: char, left: Expression, right: Expression) -> Expression {
    Expression::Binary { operator, left: Box::new(left), right: Box::new(right) }
}

fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_' || character == ':'
}

/// `90s`, `1m30s` and so on; `None` for what is none or zero.
fn duration_millis(text: &str) -> Option<i64> {
    let mut rest = text;
    let mut total = 0_i64;
    while !rest.is_empty() {
        let digits = rest.find(|character: char| !character.is_ascii_digit())?;
        let amount: i64 = rest[..digits].parse().ok()?;
        let units = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000), ("w", 604_800_000)];
        let (unit, millis) = units.into_iter().find(|(unit, _)| rest[digits..].starts_with(unit))?;
        total = total.checked_add(amount.checked_mul(millis)?)?;
        rest = &rest[digits + unit.len()..];
    }
    (total > 0).then_some(total)
}
