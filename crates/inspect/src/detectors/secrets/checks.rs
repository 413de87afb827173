//! Is it a secret, or does it only look like one? Entropy, checksums, structure, placeholders.

/// Words that stand in examples instead of a secret.
const PLACEHOLDERS: &[&str] = &[
    "example",
    "placeholder",
    "changeme",
    "change_me",
    "your",
    "xxxx",
    "****",
    "....",
    "<",
    "${",
    "{{",
    "redacted",
    "dummy",
    "sample",
    "insert",
    "1234567890",
    "abcdefgh",
    "deadbeef",
    "0000000",
    "secret_key_here",
    "my_",
    "my-",
    "test_key",
    "replace",
    "todo",
    "fake",
    "process.env",
    "getenv",
];

/// A value that no placeholder stands in.
pub(crate) fn is_no_placeholder(matched: &str) -> bool {
    let lower = matched.to_ascii_lowercase();
    !PLACEHOLDERS.iter().any(|word| lower.contains(word))
}

/// A token of a provider's format whose variable part looks random.
pub(crate) fn is_random_token(matched: &str) -> bool {
    /// Bits per character: English words have about 2.5 over such lengths, tokens 3.5 and more.
    const TOKEN_BITS_MIN: f64 = 3.0;
    is_no_placeholder(matched) && entropy_bits(matched.as_bytes()) >= TOKEN_BITS_MIN
}

/// The value of an assignment (`name = value`) that looks random.
pub(crate) fn is_random_value(matched: &str) -> bool {
    const VALUE_BITS_MIN: f64 = 3.5;
    /// There are only 16 hexadecimal digits: of 32 random ones, one value in six has less than 3.5.
    const HEX_BITS_MIN: f64 = 3.0;
    const VALUE_BYTES_MIN: usize = 16;
    let value = matched
        .rsplit(['=', ':', ' ', '"', '\''])
        .find(|part| part.len() >= VALUE_BYTES_MIN)
        .unwrap_or("");
    let has = |class: fn(&u8) -> bool| value.as_bytes().iter().any(class);
    let mixed = has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic);
    let bits_min = if value.bytes().all(|b| b.is_ascii_hexdigit()) {
        HEX_BITS_MIN
    } else {
        VALUE_BITS_MIN
    };
    mixed && is_no_placeholder(value) && entropy_bits(value.as_bytes()) >= bits_min
}

/// A URL whose password is none that stands in examples; hosts may be called as they like.
pub(crate) fn is_url_with_password(matched: &str) -> bool {
    let password = matched
        .rsplit_once('@')
        .and_then(|(before, _)| before.rsplit_once(':'))
        .map(|(_, password)| password);
    password.is_some_and(is_no_placeholder)
}

/// Three parts, the first of which is a JSON object in base64.
pub(crate) fn is_jwt(matched: &str) -> bool {
    let mut parts = matched.split('.');
    let (Some(header), Some(claims)) = (parts.next(), parts.next()) else {
        return false;
    };
    // `eyJ` is `{"` in base64; a header names its algorithm: "alg" at any of three alignments.
    let names_algorithm = ["hbGci", "FsZy", "YWxn"]
        .iter()
        .any(|alg| header.contains(alg));
    header.starts_with("eyJ") && claims.starts_with("eyJ") && names_algorithm
}

/// A GitHub token whose last six characters are the CRC-32 of the random part, in base 62.
/// <https://github.blog/engineering/platform-security/behind-githubs-new-authentication-token-formats/>
pub(crate) fn is_github_token(matched: &str) -> bool {
    const CHECKSUM_DIGITS: usize = 6;
    let Some((_, token)) = matched.split_once('_') else {
        return false;
    };
    let Some(split) = token.len().checked_sub(CHECKSUM_DIGITS) else {
        return false;
    };
    let (Some(random), Some(checksum)) = (token.get(..split), token.get(split..)) else {
        return false;
    };
    is_no_placeholder(matched) && base62(crc32(random.as_bytes())) == checksum.as_bytes()
}

fn base62(mut value: u32) -> [u8; 6] {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut out = [b'0'; 6];
    for slot in out.iter_mut().rev() {
        *slot = DIGITS.get((value % 62) as usize).copied().unwrap_or(b'0');
        value /= 62;
    }
    out
}

/// CRC-32 (ISO 3309), bit by bit: tokens are short and rare.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

/// Shannon entropy in bits per byte.
fn entropy_bits(bytes: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in bytes {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count += 1;
        }
    }
    let all = bytes.len().max(1) as f64;
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| {
            let share = f64::from(*count) / all;
            -share * share.log2()
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::{
        base62, crc32, entropy_bits, is_github_token, is_jwt, is_random_value, is_url_with_password,
    };

    #[test]
    fn checks_tell_tokens_from_words() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        let random = "zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ";
        let token = format!(
            "ghp_{random}{}",
            std::str::from_utf8(&base62(crc32(random.as_bytes()))).unwrap()
        );
        assert!(is_github_token(&token));
        assert!(!is_github_token("ghp_zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ000000"));
        assert!(is_jwt("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln"));
        assert!(is_random_value("api_key = \"f3Kq9ZpL2vXw8RtY5mNb\""));
        assert!(!is_random_value("api_key = \"your_api_key_here_please\""));
        assert!(!is_random_value("password: correcthorsebatterystaple"));
        assert!(is_random_value(
            "api_key = 5528aa1298f6852a23f5985a5812b47a"
        ));
        assert!(is_url_with_password("mysql://app:k3yq9@db.example.net"));
        assert!(!is_url_with_password("mysql://app:changeme@db.corp.net"));
        assert!(entropy_bits(b"aaaa") < 0.1);
    }
}
