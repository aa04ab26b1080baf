//! Reads Rust source as text: enough to know which paths it names and on which line. It expands `use a::{b, c}`, and sees neither
//! comments, strings nor what is compiled for tests only.

/// A path as written, with groups expanded: `use a::{b, c::d}` yields `a::b` and `a::c::d`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    /// From 1.
    pub(crate) line: usize,
    /// The names between `::`.
    pub(crate) segments: Vec<String>,
}

/// The source of one file without comments, the content of literals, and test-only items; its lines keep their numbers.
#[derive(Debug)]
pub(crate) struct Source {
    text: String,
    /// Lines that are not part of a test-only item.
    pub(crate) lines: usize,
}

impl Source {
    /// Reads `text`.
    pub(crate) fn new(text: &str) -> Self {
        let code = without_comments_and_literals(text);
        let (text, test_lines) = without_test_items(&code);
        let lines = text.lines().count().saturating_sub(test_lines);
        Self { text, lines }
    }

    /// Every path that it names.
    pub(crate) fn paths(&self) -> Vec<Named> {
        let tokens = tokens(&self.text);
        let mut found = Vec::new();
        let mut at = 0;
        while at < tokens.len() {
            at = if tokens[at].is_name() { read_path(&tokens, at, &[], &mut found) } else { at + 1 };
        }
        found
    }
}

#[derive(Debug)]
struct Token<'a> {
    line: usize,
    text: &'a str,
}

impl Token<'_> {
    fn is_name(&self) -> bool {
        self.text.starts_with(|c: char| c.is_alphabetic() || c == '_')
    }
}

fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let mut rest = line;
        while let Some(first) = rest.chars().next() {
            let is_word = |c: char| c.is_alphanumeric() || c == '_';
            let length = if is_word(first) {
                rest.find(|c: char| !is_word(c)).unwrap_or(rest.len())
            } else if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            let (token, after) = rest.split_at(length);
            if !first.is_whitespace() {
                tokens.push(Token { line: index + 1, text: token });
            }
            rest = after;
        }
    }
    tokens
}

/// Reads the path that starts at `at` behind `prefix`, and returns where it ends.
fn read_path(tokens: &[Token<'_>], mut at: usize, prefix: &[String], found: &mut Vec<Named>) -> usize {
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|token| token.text == text);
    let line = tokens[at].line;
    let mut segments = prefix.to_vec();
    loop {
        segments.push(tokens[at].text.to_owned());
        at += 1;
        if !is(at, "::") {
            break;
        }
        if is(at + 1, "{") {
            return read_group(tokens, at + 2, &segments, found);
        }
        if !tokens.get(at + 1).is_some_and(Token::is_name) {
            break; // a turbofish or a glob
        }
        at += 1;
    }
    found.push(Named { line, segments });
    at
}

/// Reads the group behind `prefix::{`, and returns where it ends.
fn read_group(tokens: &[Token<'_>], mut at: usize, prefix: &[String], found: &mut Vec<Named>) -> usize {
    while at < tokens.len() && tokens[at].text != "}" {
        at = if tokens[at].is_name() { read_path(tokens, at, prefix, found) } else { at + 1 };
    }
    at + 1
}

/// Blanks comments and the content of string and character literals.
fn without_comments_and_literals(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = literal_or_comment_end(&chars, at);
        if end == at {
            code.push(chars[at]);
            at += 1;
        } else {
            code.extend(chars[at..end].iter().map(|&c| if c == '\n' { '\n' } else { ' ' }));
            at = end;
        }
    }
    code
}

/// Where the comment or literal that starts at `at` ends; `at` itself if none starts there.
fn literal_or_comment_end(chars: &[char], at: usize) -> usize {
    let next = |ahead: usize| chars.get(at + ahead).copied().unwrap_or(' ');
    match (chars[at], next(1)) {
        ('/', '/') => (at..chars.len()).find(|&i| chars[i] == '\n').unwrap_or(chars.len()),
        ('/', '*') => block_comment_end(chars, at),
        ('"', _) => quoted_end(chars, at, '"'),
        ('r', '"' | '#') if at == 0 || !(chars[at - 1].is_alphanumeric() || chars[at - 1] == '_') => raw_end(chars, at),
        // 'x' and '\n' are literals, 'a without an end is a lifetime.
        ('\'', '\\') => quoted_end(chars, at, '\''),
        ('\'', _) if next(2) == '\'' => at + 3,
        _ => at,
    }
}

fn block_comment_end(chars: &[char], start: usize) -> usize {
    let (mut depth, mut at) = (0, start);
    while at + 1 < chars.len() {
        match (chars[at], chars[at + 1]) {
            ('/', '*') => (depth, at) = (depth + 1, at + 2),
            ('*', '/') if depth == 1 => return at + 2,
            ('*', '/') => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    chars.len()
}

fn quoted_end(chars: &[char], start: usize, quote: char) -> usize {
    let mut at = start + 1;
    while at < chars.len() && chars[at] != quote {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

fn raw_end(chars: &[char], start: usize) -> usize {
    let hashes = chars[start + 1..].iter().take_while(|&&c| c == '#').count();
    let open = start + 1 + hashes;
    if chars.get(open) != Some(&'"') {
        return start; // r#name
    }
    let closes =
        |at: &usize| chars[*at] == '"' && chars[at + 1..].iter().take(hashes).filter(|&&c| c == '#').count() == hashes;
    (open + 1..chars.len()).find(closes).map_or(chars.len(), |at| at + 1 + hashes)
}

/// Blanks every item behind `#[cfg(test)]`, and tells how many lines that were.
fn without_test_items(code: &str) -> (String, usize) {
    let mut rest = code;
    let (mut kept, mut lines) = (String::with_capacity(code.len()), 0);
    while let Some(start) = rest.find("#[cfg(test)]") {
        let (before, item) = rest.split_at(start);
        let (item, after) = item.split_at(item_end(item));
        let item_lines = item.matches('\n').count();
        kept.push_str(before);
        kept.push_str(&"\n".repeat(item_lines));
        lines += item_lines;
        rest = after;
    }
    kept.push_str(rest);
    (kept, lines)
}

/// Where the item that `text` starts with ends: at its first `;` outside braces, or with its block.
fn item_end(text: &str) -> usize {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth <= 1 => return at + 1,
            '}' => depth -= 1,
            ';' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    text.len()
}
