//! Makes foreign text fit for a status, an event or a log line. Owns nothing else.

/// `text` on one line and of at most `max_chars` characters, `…` included. Control characters, line breaks and the invisible
/// characters that reorder or hide text become spaces, so that a server cannot forge a log line or a second sentence.
pub(super) fn one_line(text: &str, max_chars: usize) -> String {
    let mut line = String::with_capacity(text.len().min(max_chars.saturating_mul(4)));
    for (position, character) in text.chars().enumerate() {
        if position >= max_chars {
            line.pop();
            line.push('…');
            break;
        }
        line.push(if is_printable(character) { character } else { ' ' });
    }
    line
}

fn is_printable(character: char) -> bool {
    let hides_or_reorders = matches!(character,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}');
    !character.is_control() && !hides_or_reorders
}

#[cfg(test)]
mod tests {
    use super::one_line;

    #[test]
    fn text_is_bounded_and_harmless() {
        for (text, max_chars, want) in [
            ("", 5, ""),
            ("short", 5, "short"),
            ("longer", 5, "long…"),
            ("äöüßé!", 5, "äöüß…"),
            ("a\nb\r\tc\u{1b}[31m\u{0}", 20, "a b  c [31m "),
            ("a\u{202e}b\u{200b}c\u{2028}", 20, "a b c "),
            ("anything", 0, "…"),
        ] {
            assert_eq!(one_line(text, max_chars), want, "{text:?}");
        }
    }
}
