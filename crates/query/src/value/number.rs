//! Numbers as text, the way Kusto (that is .NET) writes and reads them.

/// Shortest text that reads back as the same real: `1.0`, `1E+20`, `1E-05`, `NaN`, `inf`.
#[must_use]
pub fn real_to_text(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    if value == 0.0 {
        return if value.is_sign_negative() {
            "-0.0"
        } else {
            "0.0"
        }
        .to_owned();
    }
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-5..15).contains(&exponent) {
        let mut plain = format!("{value}");
        if !plain.contains('.') {
            plain.push_str(".0");
        }
        return plain;
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}E{sign}{:02}", exponent.unsigned_abs())
}

/// A whole number: optional sign, decimal digits or `0x` hexadecimal, blanks around.
#[must_use]
pub fn parse_long(text: &str) -> Option<i64> {
    let text = text.trim();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if let Some(hex) = digits.strip_prefix("0x").or(digits.strip_prefix("0X")) {
        let value = i64::from_str_radix(hex, 16)
            .ok()
            .or_else(|| u64::from_str_radix(hex, 16).ok().map(u64::cast_signed))?;
        return Some(if negative {
            value.wrapping_neg()
        } else {
            value
        });
    }
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.strip_prefix('+').unwrap_or(text).parse().ok()
}

/// A real; `nan` in any case, `inf` and `Infinity` as written here.
#[must_use]
pub fn parse_real(text: &str) -> Option<f64> {
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    match text {
        "inf" | "+inf" | "Infinity" | "+Infinity" => Some(f64::INFINITY),
        "-inf" | "-Infinity" => Some(f64::NEG_INFINITY),
        _ if text.eq_ignore_ascii_case("nan") => Some(f64::NAN),
        _ if text.bytes().any(|byte| byte.is_ascii_digit()) => text.parse().ok(),
        _ => None,
    }
}

/// Rounds half away from zero to `digits` after the point.
#[must_use]
pub fn round_half_away(value: f64, digits: i64) -> f64 {
    let digits = i32::try_from(digits.clamp(-300, 300)).unwrap_or(0);
    if digits == 0 {
        return value.round();
    }
    let factor = 10_f64.powi(digits);
    let scaled = value * factor;
    if !scaled.is_finite() {
        return value;
    }
    // The product may fall just below a half that the decimal text stands on.
    let nudged = if (scaled.abs().fract() - 0.5).abs() < 1e-9 * scaled.abs().max(1.0) {
        (scaled.abs() + 1e-9 * scaled.abs().max(1.0))
            .round()
            .copysign(scaled)
    } else {
        scaled.round()
    };
    nudged / factor
}

#[cfg(test)]
mod tests {
    use super::{parse_long, real_to_text, round_half_away};

    #[test]
    fn reals_read_as_kusto_writes_them() {
        for (value, text) in [
            (1.0, "1.0"),
            (1.5, "1.5"),
            (1e15, "1E+15"),
            (1e-6, "1E-06"),
            (0.0001, "0.0001"),
            (-0.5, "-0.5"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(real_to_text(value), text);
        }
    }

    #[test]
    fn longs_are_parsed_or_refused() {
        assert_eq!(parse_long("0x10"), Some(16));
        assert_eq!(parse_long(" -5 "), Some(-5));
        assert_eq!(parse_long("99999999999999999999"), None);
        assert_eq!(parse_long("1.5"), None);
    }

    #[test]
    fn rounding_goes_away_from_zero() {
        assert_eq!(round_half_away(2.5, 0), 3.0);
        assert_eq!(round_half_away(-2.5, 0), -3.0);
        assert_eq!(round_half_away(2.675, 2), 2.68);
        assert_eq!(round_half_away(1234.5, -2), 1200.0);
    }
}
