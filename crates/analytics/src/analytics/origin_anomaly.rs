//! A known key is suddenly used from somewhere else: a new network together with a new client or
//! a new country, in earnest; or from two countries faster than anybody travels.

use atalaya_model::EntityKind;

use crate::analytics::Analytic;
use crate::engine::{Case, reason};

parameters! {
    /// Days that a caller must be known.
    days_min: u32 = 3,
    /// Calls that a caller must have made.
    calls_min: u32 = 50,
    /// Calls from the new place.
    new_calls_min: u16 = 20,
    /// Speed beyond which nobody travels, km/h.
    speed_kmh_max: f64 = 1_000.0,
    /// Distance below which it does not matter, km.
    distance_km_min: f64 = 1_000.0,
    /// Switches between countries at such a speed.
    switches_min: u8 = 2,
}

pub(crate) fn judge(p: &Parameters, case: &mut Case<'_>) {
    if !case.event.opens() {
        return;
    }
    travel(p, case);
    let origin = &case.caller.origin;
    let is_new = origin.new_signs != 0
        && origin.new_calls == p.new_calls_min
        && case.now.saturating_sub(origin.new_since) < 86_400;
    if !is_new || !is_known(p, case) || !case.may_speak(Analytic::origin_anomaly) {
        return;
    }
    let signs = origin.new_signs;
    let reasons = vec![
        reason("calls_from_new_network", f64::from(origin.new_calls), 0.0),
        reason("days_known", f64::from(case.caller.hours.days()), f64::from(p.days_min)),
    ];
    let (since, count) = (origin.new_since, u64::from(origin.new_calls));
    let address = case.event.address.clone();
    let finding = case.about_caller(Analytic::origin_anomaly, since, count, reasons);
    finding.also(EntityKind::Address, &address);
    for (sign, name) in [(1, "user agent"), (2, "country")] {
        if signs & sign != 0 {
            finding.note("also_new", name);
        }
    }
}

fn is_known(p: &Parameters, case: &Case<'_>) -> bool {
    case.caller.hours.days() >= p.days_min && case.caller.calls >= p.calls_min
}

fn travel(p: &Parameters, case: &mut Case<'_>) {
    let Some((from, elapsed_s)) = case.arrival.from else {
        return;
    };
    let to = case.caller.origin.country;
    let Some(distance_km) = countries::distance_km(from, to) else {
        return;
    };
    let speed_kmh = distance_km / (f64::from(elapsed_s.max(60)) / 3_600.0);
    if distance_km < p.distance_km_min || speed_kmh < p.speed_kmh_max {
        return;
    }
    let switches = case.caller.origin.impossible.saturating_add(1);
    case.caller.origin.impossible = switches;
    if switches < p.switches_min || !is_known(p, case) || !case.may_speak(Analytic::origin_anomaly) {
        return;
    }
    case.caller.origin.impossible = 0;
    let reasons = vec![
        reason("speed_kmh", speed_kmh, p.speed_kmh_max),
        reason("distance_km", distance_km, p.distance_km_min),
        reason("switches", f64::from(switches), f64::from(p.switches_min)),
    ];
    let since = case.now.saturating_sub(elapsed_s);
    let address = case.event.address.clone();
    let finding = case.about_caller(Analytic::origin_anomaly, since, u64::from(switches), reasons);
    finding.also(EntityKind::Address, &address);
    finding.note("from", countries::name(from));
    finding.note("to", countries::name(to));
}

/// Where countries are, about: the middle of where their people live.
mod countries {
    #[rustfmt::skip]
    const PLACES: &[(&str, f64, f64)] = &[
        ("AE", 25.0, 55.0), ("AR", -34.6, -60.0), ("AT", 48.0, 15.0), ("AU", -34.0, 148.0),
        ("BD", 23.8, 90.4), ("BE", 50.8, 4.4), ("BG", 42.7, 24.5), ("BR", -20.0, -45.0),
        ("BY", 53.7, 27.9), ("CA", 45.5, -76.0), ("CH", 47.1, 8.0), ("CL", -33.5, -70.7),
        ("CN", 32.0, 115.0), ("CO", 5.0, -74.5), ("CZ", 49.9, 15.3), ("DE", 50.8, 9.8),
        ("DK", 55.7, 11.0), ("EE", 59.2, 25.5), ("EG", 30.3, 31.0), ("ES", 40.2, -3.2),
        ("FI", 61.2, 24.8), ("FR", 47.5, 2.5), ("GB", 52.4, -1.5), ("GR", 38.3, 23.5),
        ("HK", 22.3, 114.2), ("HR", 45.5, 16.0), ("HU", 47.2, 19.4), ("ID", -6.8, 108.0),
        ("IE", 53.2, -7.0), ("IL", 32.0, 34.9), ("IN", 22.5, 79.0), ("IQ", 33.3, 44.0),
        ("IR", 34.5, 51.0), ("IT", 43.0, 12.0), ("JP", 35.5, 137.5), ("KE", -0.5, 36.8),
        ("KP", 39.2, 126.0), ("KR", 36.7, 127.5), ("KZ", 47.0, 71.0), ("LT", 55.2, 24.0),
        ("LU", 49.6, 6.1), ("LV", 56.9, 24.5), ("MA", 33.2, -6.8), ("MX", 20.5, -100.5),
        ("MY", 3.5, 102.0), ("NG", 8.5, 6.5), ("NL", 52.1, 5.2), ("NO", 60.5, 9.5),
        ("NZ", -38.5, 175.5), ("PE", -11.0, -76.0), ("PH", 13.0, 121.8), ("PK", 30.5, 71.5),
        ("PL", 51.9, 19.3), ("PT", 39.6, -8.5), ("RO", 45.6, 25.3), ("RS", 44.4, 20.6),
        ("RU", 55.5, 45.0), ("SA", 23.9, 45.0), ("SE", 58.9, 15.8), ("SG", 1.3, 103.8),
        ("SI", 46.1, 14.8), ("SK", 48.6, 19.3), ("TH", 14.5, 101.0), ("TR", 39.5, 32.5),
        ("TW", 24.2, 120.9), ("UA", 49.2, 31.5), ("US", 38.5, -92.0), ("VE", 9.8, -68.0),
        ("VN", 16.5, 106.8), ("ZA", -28.5, 28.0),
    ];

    /// The two letters of a country.
    pub(super) fn name(code: u16) -> String {
        code.to_be_bytes().map(char::from).iter().collect()
    }

    /// Great-circle distance; `None` if one of the countries is not listed.
    pub(super) fn distance_km(from: u16, to: u16) -> Option<f64> {
        let place = |code: u16| {
            let name = name(code);
            let found = PLACES.iter().find(|place| place.0 == name)?;
            Some((found.1.to_radians(), found.2.to_radians()))
        };
        let ((a_latitude, a_longitude), (b_latitude, b_longitude)) = (place(from)?, place(to)?);
        let half = |angle: f64| (angle / 2.0).sin().powi(2);
        let h = half(b_latitude - a_latitude)
            + a_latitude.cos() * b_latitude.cos() * half(b_longitude - a_longitude);
        Some(2.0 * 6_371.0 * h.sqrt().min(1.0).asin())
    }

    #[cfg(test)]
    mod tests {
        use super::distance_km;

        #[test]
        fn distances_are_about_right() {
            let code = |name: &[u8; 2]| u16::from_be_bytes(*name);
            let km = distance_km(code(b"DE"), code(b"US")).unwrap();
            assert!((7_000.0..8_500.0).contains(&km), "{km}");
            assert_eq!(distance_km(code(b"DE"), code(b"XX")), None);
        }
    }
}
