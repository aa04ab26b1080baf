//! Where the parts of a query stand. The parser's tree has no positions, but its parts come in the order of the text: whoever walks
//! the tree in that order finds each part as the next word of its name. Owns the words; knows no grammar beyond what hides words
//! (strings, comments, lists of labels).

use super::Place;

/// Words whose parentheses hold labels.
const LISTS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];

/// The words of a query in their order, and how far they were read.
pub(super) struct Words<'a> {
    text: &'a str,
    words: Vec<(usize, &'a str)>,
    next: usize,
    /// A parenthesis, brace, bracket or quote without its other half.
    unpaired: Option<usize>,
}

impl<'a> Words<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        let mut words = Self { text, words: Vec::new(), next: 0, unpaired: None };
        let mut open: Vec<usize> = Vec::new();
        let mut at = 0;
        while let Some(first) = text[at..].chars().next() {
            let rest = &text[at..];
            let length = match first {
                '#' => rest.find(['\n', '\r']).unwrap_or(rest.len()),
                '{' | '[' | '"' | '\'' | '`' => words.enclosed(at, first),
                '(' if words.words.last().is_some_and(|(_, word)| is_list(word)) => words.enclosed(at, first),
                _ if is_word(first) || first == '.' => {
                    let length = rest.find(|c| !is_word(c) && c != '.').unwrap_or(rest.len());
                    words.words.push((at, &rest[..length]));
                    length
                }
                '=' | '!' | '<' | '>' if rest[1..].starts_with('=') => {
                    words.words.push((at, &rest[..2]));
                    2
                }
                _ => {
                    let length = first.len_utf8();
                    if !first.is_whitespace() {
                        words.words.push((at, &rest[..length]));
                    }
                    length
                }
            };
            match first {
                // What is enclosed is longer than its first half.
                '(' if length == 1 => open.push(at),
                ')' if open.pop().is_none() => words.unpaired = words.unpaired.or(Some(at)),
                _ => {}
            }
            at += length.max(1);
        }
        words.unpaired = words.unpaired.or_else(|| open.last().copied());
        words
    }

    /// Takes what stands between a pair as one word. The number of bytes.
    fn enclosed(&mut self, at: usize, first: char) -> usize {
        let rest = &self.text[at..];
        let length = match first {
            '{' => length_to('}', rest),
            '[' => length_to(']', rest),
            '(' => length_to(')', rest),
            quote => string_length(rest, quote),
        };
        if length.is_none() {
            self.unpaired = self.unpaired.or(Some(at));
        }
        let length = length.unwrap_or(rest.len());
        self.words.push((at, &rest[..length]));
        length
    }

    /// The place of the next word that is `word`, in whatever letters; reading goes on behind it. A word that is not found moves
    /// nothing.
    pub(super) fn find(&mut self, word: &str) -> Option<Place> {
        self.next_where(|found| found.eq_ignore_ascii_case(word))
    }

    /// The place of a selector without its labels.
    pub(super) fn selector(&mut self, name: Option<&str>) -> Option<Place> {
        let place = match name {
            Some(name) => self.next_where(|found| found == name),
            None => self.next_where(|found| found.starts_with('{')),
        };
        if place.is_some() && name.is_some() && self.words.get(self.next).is_some_and(|(_, word)| word.starts_with('{'))
        {
            self.next += 1;
        }
        place
    }

    /// The place of the next range.
    pub(super) fn range(&mut self) -> Option<Place> {
        self.next_where(|found| found.starts_with('['))
    }

    fn next_where(&mut self, matches: impl Fn(&str) -> bool) -> Option<Place> {
        let ahead = self.words.get(self.next..).unwrap_or_default();
        let found = ahead.iter().position(|(_, word)| matches(word))?;
        let (at, word) = ahead[found];
        self.next += found + 1;
        Some(Place::of(self.text, at, word.len()))
    }

    /// Whatever opens and never closes, or closes what never opened.
    pub(super) fn unpaired(&self) -> Option<Place> {
        self.unpaired.map(|at| Place::of(self.text, at, 1))
    }

    /// The first word that a message of the parser quotes, or the labels or the range in which it stands.
    pub(super) fn quoted_in(&self, message: &str) -> Option<Place> {
        let quoted = message.split('\'').skip(1).step_by(2);
        quoted.filter(|word| !word.is_empty()).find_map(|quoted| {
            let itself = |(_, word): &&(usize, &str)| word.eq_ignore_ascii_case(quoted);
            let around = |(_, word): &&(usize, &str)| word.starts_with(['{', '[']) && word.contains(quoted);
            let (at, word) = self.words.iter().find(itself).or_else(|| self.words.iter().find(around))?;
            Some(Place::of(self.text, *at, word.len()))
        })
    }

    /// All words with the bytes before them.
    pub(super) fn list(&self) -> &[(usize, &'a str)] {
        &self.words
    }
}

fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_' || character == ':'
}

fn is_list(word: &str) -> bool {
    LISTS.iter().any(|list| list.eq_ignore_ascii_case(word))
}

/// Bytes of `text` up to and with `end`, past strings.
fn length_to(end: char, text: &str) -> Option<usize> {
    let mut at = 1;
    while let Some(first) = text.get(at..)?.chars().next() {
        at += match first {
            '"' | '\'' | '`' => string_length(&text[at..], first)?,
            _ if first == end => return Some(at + 1),
            _ => first.len_utf8(),
        };
    }
    None
}

/// Bytes of the string that `text` begins with.
fn string_length(text: &str, quote: char) -> Option<usize> {
    let mut characters = text.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        match character {
            _ if character == quote => return Some(at + 1),
            '\\' if quote != '`' => drop(characters.next()),
            _ => {}
        }
    }
    None
}
