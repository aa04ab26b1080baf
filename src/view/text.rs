//! Words and numbers as people read them. Owns what makes foreign text safe for a terminal; must not know what the text means.

use jiff::Timestamp;

use crate::api::quantity::Quantity;
use crate::engine::Milli;

/// `text` without what could move a terminal's cursor, recolour it or reorder its letters: C0 and C1 control characters, bidirectional
/// overrides and zero-width characters. Line breaks and tabs become spaces.
#[must_use]
pub fn safe(text: &str) -> String {
    text.chars().map(|c| if matches!(c, '\n' | '\r' | '\t') { ' ' } else { c }).filter(|&c| !is_unsafe(c)).collect()
}

fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// A quantity as a decimal number: `1500m` is `1.5`. What is no quantity is shown as it stands.
#[must_use]
pub fn plain(quantity: &Quantity) -> String {
    let Ok(milli) = quantity.to_milli() else { return safe(&quantity.0) };
    let (sign, size) = (if milli.get() < 0 { "-" } else { "" }, milli.get().unsigned_abs());
    let fraction = format!("{:03}", size % 1000);
    match fraction.trim_end_matches('0') {
        "" => format!("{sign}{}", size / 1000),
        digits => format!("{sign}{}.{digits}", size / 1000),
    }
}

/// A quantity as a number to draw, in units; `None` for what is no quantity.
#[must_use]
pub fn number(quantity: &Quantity) -> Option<f64> {
    quantity.to_milli().ok().map(Milli::to_f64)
}

/// The time of day in UTC: `14:03:20Z`.
#[must_use]
pub fn time_of_day(time: Timestamp) -> String {
    time.strftime("%H:%M:%SZ").to_string()
}

/// Date and time in UTC: `2026-03-01 14:03:20Z`.
#[must_use]
pub fn date_and_time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// `text`, safe for a terminal and ended by a full stop.
#[must_use]
pub fn sentence(text: &str) -> String {
    let text = safe(text);
    let text = text.trim();
    if text.is_empty() || text.ends_with(['.', '!', '?']) { text.to_owned() } else { format!("{text}.") }
}

/// `text` broken at spaces into lines of at most `width` characters; a longer word is cut.
#[must_use]
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let mut word: Vec<char> = word.chars().collect();
        let used = line.chars().count();
        if used > 0 && used + 1 + word.len() > width {
            lines.push(std::mem::take(&mut line));
        }
        while word.len() > width {
            lines.push(word.drain(..width).collect());
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.extend(word);
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines
}

/// At most `width` characters of `text`, the last an ellipsis where something was cut.
#[must_use]
pub fn shorten(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain((width > 0).then_some('…')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_drive_a_terminal_is_dropped() {
        assert_eq!(safe("a\u{1b}[31mred\u{9b}2J\u{202e}x\nb\u{7}"), "a[31mred2Jx b");
        assert_eq!(safe("größer → 8"), "größer → 8");
    }

    #[test]
    fn quantities_read_as_decimals() {
        for (written, read) in
            [("612m", "0.612"), ("-1500m", "-1.5"), ("100", "100"), ("1000m", "1"), ("1Gi", "1073741824"), ("", "")]
        {
            assert_eq!(plain(&Quantity(written.into())), read, "{written}");
        }
        assert_eq!(number(&Quantity("-1500m".into())), Some(-1.5));
        assert_eq!(number(&Quantity("x".into())), None);
        assert_eq!(plain(&Quantity("ten\u{7}".into())), "ten");
    }

    #[test]
    fn wrapping_keeps_every_character_within_the_width() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefghij k", 4), ["abcd", "efgh", "ij k"]);
        assert_eq!(wrap("", 4), [""]);
        assert_eq!(wrap("x y", 0), ["x", "y"]);
    }

    #[test]
    fn shortening_and_sentences() {
        assert_eq!(shorten("abcdef", 4), "abc…");
        assert_eq!(shorten("abc", 0), "");
        assert_eq!(sentence(" it broke "), "it broke.");
        assert_eq!(sentence("why?"), "why?");
    }
}
