//! How evenly the characters of a text are spread: encoded and encrypted texts lie above prose,
//! filler below it. Long texts are judged by their beginning.

/// Characters that are looked at.
const CHARACTERS_MAX: usize = 4_096;
/// Shorter texts say nothing.
const CHARACTERS_MIN: usize = 24;
/// Characters beyond Latin-1 share the last places: what counts is that they are spread.
const PLACES: usize = 512;

/// Bits per character; nothing for short texts.
pub(crate) fn entropy(text: &str) -> Option<f64> {
    let mut counts = [0_u32; PLACES];
    let mut all = 0_u32;
    for character in text.chars().take(CHARACTERS_MAX) {
        let code = usize::try_from(u32::from(character)).unwrap_or(0);
        let place = if code < 256 { code } else { 256 + code % 256 };
        if let Some(count) = counts.get_mut(place) {
            *count += 1;
            all += 1;
        }
    }
    if usize::try_from(all).unwrap_or(0) < CHARACTERS_MIN {
        return None;
    }
    let all = f64::from(all);
    let bits = counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| f64::from(*count) / all)
        .map(|share| -share * share.log2())
        .sum::<f64>();
    Some((bits * 100.0).round() / 100.0)
}

#[cfg(test)]
mod tests {
    use super::entropy;

    #[test]
    fn encoded_texts_lie_above_prose_and_filler_below() {
        let prose = "The quarterly report is due on Friday; please summarise the open points.";
        let encoded = "aGVsbG8gd29ybGQsIHRoaXMgaXMgYSBzZWNyZXQgbWVzc2FnZSB0aGF0IG5vYm9keSBzaG91bGQgcmVhZCBpbiB0aGUgY2xlYXIgNTkzMQ==Zk9QcVJ4V3k3MzIx";
        let (prose, encoded) = (entropy(prose).unwrap(), entropy(encoded).unwrap());
        assert!((3.5..4.6).contains(&prose), "{prose}");
        assert!(encoded > 5.0, "{encoded}");
        assert!(entropy(&"ha".repeat(200)).unwrap() < 1.5);
        assert_eq!(entropy("short"), None);
    }
}
