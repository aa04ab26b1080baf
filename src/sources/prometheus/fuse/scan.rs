//! A look at the text before anything parses it. Owns the limits that keep the parser's stack and time bounded, and the refusal of
//! spellings that Prometheus' versions and the parser read differently (printing the tree would smooth them over: a query that
//! Prometheus refuses alone must not succeed in company). Knows no grammar beyond words, numbers and strings.

use super::Alone;

/// Longest query that is looked into. Queries that people scale by are a few hundred bytes.
pub const MAX_QUERY_BYTES: usize = 8 * 1024;
/// Words, numbers, strings and signs of a query. A chain of operators becomes a tree as deep as it is long, without one parenthesis.
pub const MAX_WORDS: usize = 512;
/// Open parentheses and braces.
pub const MAX_NESTING: usize = 32;
/// Digits of one part of a duration: nine fit the 32 bits of the parser, which drops a part that does not.
const MAX_DURATION_DIGITS: usize = 9;
/// Digits of a hexadecimal number: more than these would not be exact as a float.
const MAX_HEX_DIGITS: usize = 13;

/// Whether `text` may be parsed.
///
/// # Errors
/// [`Alone::TooLarge`] and [`Alone::Spelling`].
pub fn scan(text: &str) -> Result<(), Alone> {
    if text.len() > MAX_QUERY_BYTES {
        return Err(Alone::TooLarge);
    }
    let mut scanner = Scanner { rest: text, words: 0, open: Vec::new(), in_brackets: false, last: "" };
    while scanner.step()? {}
    Ok(())
}

struct Scanner<'a> {
    rest: &'a str,
    words: usize,
    /// What opened each level, and whether it is a list of labels.
    open: Vec<(char, bool)>,
    in_brackets: bool,
    /// The word or sign before.
    last: &'a str,
}

impl<'a> Scanner<'a> {
    fn step(&mut self) -> Result<bool, Alone> {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
        let Some(first) = self.rest.chars().next() else { return Ok(false) };
        if first == '#' {
            self.take(self.rest.find(['\n', '\r']).unwrap_or(self.rest.len()));
            return Ok(true);
        }
        self.words += 1;
        if self.words > MAX_WORDS {
            return Err(Alone::TooLarge);
        }
        let before = self.last;
        self.last = match first {
            '"' | '\'' | '`' => self.string(first)?,
            '0'..='9' | '.' => self.number(before)?,
            'a'..='z' | 'A'..='Z' | '_' | ':' => self.word(),
            ' '..='~' => self.sign(first, before)?,
            _ => return Err(Alone::Spelling("a character outside of quotes that is not ASCII")),
        };
        Ok(true)
    }

    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        taken
    }

    fn word(&mut self) -> &'a str {
        // A colon stands in names of recording rules, but between brackets it separates a range from its step.
        let colon = !self.in_brackets;
        let belongs = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':' && colon;
        let end = self.rest.find(|c| !belongs(c)).unwrap_or(self.rest.len());
        self.take(end.max(1))
    }

    fn sign(&mut self, first: char, before: &str) -> Result<&'a str, Alone> {
        match first {
            '(' | '{' => {
                let lists = ["by", "without", "on", "ignoring", "group_left", "group_right"];
                self.open.push((first, lists.iter().any(|list| before.eq_ignore_ascii_case(list))));
                if self.open.len() > MAX_NESTING {
                    return Err(Alone::TooLarge);
                }
            }
            ')' | '}' => {
                self.open.pop();
            }
            '[' => self.in_brackets = true,
            ']' => self.in_brackets = false,
            // The sign of an offset must not hide the word before it.
            '-' | '+' if before.eq_ignore_ascii_case("offset") => {
                self.take(1);
                return Ok("offset");
            }
            _ => {}
        }
        Ok(self.take(1))
    }

    fn number(&mut self, before: &str) -> Result<&'a str, Alone> {
        let belongs = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '_';
        let mut end = self.rest.find(|c| !belongs(c)).unwrap_or(self.rest.len());
        let hex = self.rest.starts_with("0x") || self.rest.starts_with("0X");
        let duration = self.in_brackets || before.eq_ignore_ascii_case("offset");
        if !hex && !duration && self.rest[..end].ends_with(['e', 'E']) && self.rest[end..].starts_with(['+', '-']) {
            let exponent = &self.rest[end + 1..];
            end += 1 + exponent.find(|c: char| !c.is_ascii_digit()).unwrap_or(exponent.len());
        }
        let text = self.take(end);
        match (duration, if duration { is_duration(text) } else { is_number(text) }) {
            (_, true) => Ok(text),
            (true, false) => Err(Alone::Spelling("a duration without a unit, or in an unusual form")),
            (false, false) => Err(Alone::Spelling("a number with a unit, or in an unusual form")),
        }
    }

    fn string(&mut self, quote: char) -> Result<&'a str, Alone> {
        if matches!(self.open.last(), Some(('{', _)) if !matches!(self.last, "=" | "~"))
            || matches!(self.open.last(), Some(('(', true)))
        {
            return Err(Alone::Spelling("a name in quotes"));
        }
        let mut inside = self.rest.char_indices().skip(1);
        while let Some((at, character)) = inside.next() {
            match character {
                _ if character == quote => return Ok(self.take(at + 1)),
                '\\' if quote == '`' => return Err(Alone::Spelling("a backslash between backquotes")),
                '\\' if matches!(inside.next(), Some((_, 'x' | '0'..='9'))) => {
                    return Err(Alone::Spelling("a byte written as a number"));
                }
                '\n' if quote != '`' => return Err(Alone::Spelling("a line break in a string")),
                char::REPLACEMENT_CHARACTER => return Err(Alone::Spelling("U+FFFD, which stands for broken text")),
                _ => {}
            }
        }
        Err(Alone::NotUnderstood)
    }
}

fn is_number(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    if let Some(digits) = lower.strip_prefix("0x") {
        return !digits.is_empty() && digits.len() <= MAX_HEX_DIGITS && digits.bytes().all(|b| b.is_ascii_hexdigit());
    }
    // A leading zero makes it octal to some.
    let octal = lower.len() > 1 && lower.starts_with('0') && lower.as_bytes().get(1).is_some_and(u8::is_ascii_digit);
    let plain = lower.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'+' | b'-'));
    !octal && plain && lower.parse::<f64>().is_ok_and(f64::is_finite)
}

/// Units in Prometheus' order, each at most once: `1h30m`.
fn is_duration(text: &str) -> bool {
    let mut units = ["y", "w", "d", "h", "m", "s", "ms"].as_slice();
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let after = &rest[digits..];
        let unit = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let Some(place) = units.iter().position(|known| *known == &after[..unit]) else { return false };
        if digits == 0 || digits > MAX_DURATION_DIGITS {
            return false;
        }
        units = &units[place + 1..];
        rest = &after[unit..];
    }
    !text.is_empty()
}
