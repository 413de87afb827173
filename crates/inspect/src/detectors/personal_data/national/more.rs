//! National identity numbers of further countries: digits with a check, and mostly only behind
//! their name, since nine or eleven digits with a check digit are also an order number in ten.

use super::{Kind, Needs, luhn, number, part, verhoeff, weighted};

const NAMED: &[Needs] = &[Needs::Name];

/// One line per country: rule, number of digits, check, grouping or name, names.
pub(super) const KINDS: &[Kind] = &[
    kind(
        "personal_data.pt_nif",
        9,
        pt_nif,
        NAMED,
        &["nif", "contribuinte"],
    ),
    kind(
        "personal_data.be_national_number",
        11,
        be_national,
        &[Needs::Groups(&[2, 2, 2, 3, 2]), Needs::Name],
        &[
            "rijksregister",
            "registre national",
            "national number",
            "niss",
            "insz",
        ],
    ),
    kind(
        "personal_data.at_social_security",
        10,
        at_svnr,
        NAMED,
        &[
            "svnr",
            "sozialversicherung",
            "sv-nummer",
            "versicherungsnummer",
        ],
    ),
    kind(
        "personal_data.dk_cpr",
        10,
        dk_cpr,
        NAMED,
        &["cpr", "personnummer"],
    ),
    kind(
        "personal_data.dk_cpr",
        10,
        dk_cpr_with_check,
        &[Needs::Groups(&[6, 4])],
        &[],
    ),
    kind(
        "personal_data.no_birth_number",
        11,
        no_birth_number,
        NAMED,
        &["fodselsnummer", "fødselsnummer", "fnr", "personnummer"],
    ),
    kind(
        "personal_data.se_personnummer",
        12,
        se_long,
        NAMED,
        &["personnummer"],
    ),
    kind(
        "personal_data.cz_birth_number",
        10,
        cz_birth_number,
        NAMED,
        &[
            "rodne cislo",
            "rodné číslo",
            "rodné cislo",
            "birth number",
            "r.č",
        ],
    ),
    kind(
        "personal_data.ro_cnp",
        13,
        ro_cnp,
        NAMED,
        &["cnp", "cod numeric personal"],
    ),
    kind("personal_data.bg_egn", 10, bg_egn, NAMED, &["egn", "егн"]),
    kind(
        "personal_data.gr_amka",
        11,
        gr_amka,
        NAMED,
        &["amka", "αμκα"],
    ),
    kind("personal_data.gr_afm", 9, gr_afm, NAMED, &["afm", "αφμ"]),
    kind(
        "personal_data.tr_national_id",
        11,
        tr_national_id,
        NAMED,
        &["tc kimlik", "t.c. kimlik", "kimlik no", "tckn", "tc no"],
    ),
    kind(
        "personal_data.ee_lt_personal_code",
        11,
        ee_lt_code,
        NAMED,
        &["isikukood", "asmens kodas", "personal code"],
    ),
    kind(
        "personal_data.lv_personal_code",
        11,
        lv_code,
        &[Needs::Name],
        &["personas kods", "personal code"],
    ),
    kind("personal_data.hr_oib", 11, iso_mod_11_10, NAMED, &["oib"]),
    kind(
        "personal_data.si_emso",
        13,
        si_emso,
        NAMED,
        &["emso", "emšo", "jmbg"],
    ),
    kind("personal_data.hu_taj", 9, hu_taj, NAMED, &["taj"]),
    kind(
        "personal_data.ca_sin",
        9,
        ca_sin,
        &[Needs::Groups(&[3, 3, 3]), Needs::Name],
        &["sin", "social insurance", "nas"],
    ),
    kind(
        "personal_data.us_itin",
        9,
        us_itin,
        &[Needs::Groups(&[3, 2, 4]), Needs::Name],
        &["itin"],
    ),
    kind("personal_data.us_npi", 10, us_npi, NAMED, &["npi"]),
    kind(
        "personal_data.us_routing_number",
        9,
        us_routing,
        NAMED,
        &["routing", "aba"],
    ),
    kind(
        "personal_data.au_tfn",
        9,
        au_tfn,
        NAMED,
        &["tfn", "tax file"],
    ),
    kind(
        "personal_data.au_medicare",
        10,
        au_medicare,
        NAMED,
        &["medicare"],
    ),
    kind("personal_data.au_abn", 11, au_abn, NAMED, &["abn"]),
    kind("personal_data.nz_ird", 9, nz_ird, NAMED, &["ird"]),
    kind(
        "personal_data.jp_my_number",
        12,
        jp_my_number,
        NAMED,
        &["my number", "マイナンバー", "個人番号"],
    ),
    kind(
        "personal_data.kr_rrn",
        13,
        kr_rrn,
        &[Needs::Groups(&[6, 7]), Needs::Name],
        &["rrn", "주민등록번호", "주민번호"],
    ),
    kind(
        "personal_data.th_national_id",
        13,
        th_national_id,
        &[Needs::Groups(&[1, 4, 5, 2, 1]), Needs::Name],
        &[
            "thai id",
            "citizen id",
            "national id",
            "บัตรประชาชน",
            "เลขประจำตัว",
        ],
    ),
    kind(
        "personal_data.my_nric",
        12,
        my_nric,
        &[Needs::Groups(&[6, 2, 4]), Needs::Name],
        &["nric", "mykad", "kad pengenalan"],
    ),
    kind("personal_data.id_nik", 16, id_nik, NAMED, &["nik", "ktp"]),
    kind(
        "personal_data.za_id",
        13,
        za_id,
        NAMED,
        &[
            "id number",
            "south african id",
            "rsa id",
            "identity number",
            "sa id",
            "id no",
        ],
    ),
    kind(
        "personal_data.il_id",
        9,
        luhn_nonzero,
        NAMED,
        &[
            "teudat zehut",
            "תעודת זהות",
            "ת.ז",
            "israeli id",
            "id number",
        ],
    ),
    kind("personal_data.br_cnpj", 14, br_cnpj, NAMED, &["cnpj"]),
    kind(
        "personal_data.ar_cuit",
        11,
        ar_cuit,
        &[Needs::Groups(&[2, 8, 1]), Needs::Name],
        &["cuit", "cuil"],
    ),
    kind(
        "personal_data.ru_snils",
        11,
        ru_snils,
        &[Needs::Groups(&[3, 3, 3, 2]), Needs::Name],
        &["snils", "снилс"],
    ),
    kind("personal_data.ru_inn", 12, ru_inn, NAMED, &["inn", "инн"]),
    kind(
        "personal_data.ua_tax_number",
        10,
        ua_tax_number,
        NAMED,
        &["rnokpp", "рнокпп", "іпн", "ипн"],
    ),
    kind(
        "personal_data.kz_iin",
        12,
        kz_iin,
        NAMED,
        &["iin", "иин", "жсн"],
    ),
    kind(
        "personal_data.lu_national_id",
        13,
        lu_national_id,
        NAMED,
        &["matricule", "national id"],
    ),
    kind(
        "personal_data.is_kennitala",
        10,
        is_kennitala,
        &[Needs::Groups(&[6, 4]), Needs::Name],
        &["kennitala"],
    ),
];

const fn kind(
    rule: &'static str,
    digits: usize,
    valid: fn(&[u8]) -> bool,
    needs: &'static [Needs],
    names: &'static [&'static str],
) -> Kind {
    Kind {
        rule,
        score: 45,
        digits,
        valid,
        needs,
        names,
    }
}

fn last(digits: &[u8]) -> u32 {
    u32::from(digits.last().copied().unwrap_or(0))
}

pub(super) fn plausible_date(month: u64, day: u64) -> bool {
    (1..=12).contains(&month) && (1..=31).contains(&day)
}

fn varied(digits: &[u8]) -> bool {
    digits.iter().any(|digit| Some(digit) != digits.first())
}

fn pt_nif(digits: &[u8]) -> bool {
    let check = 11 - weighted(digits, &[9, 8, 7, 6, 5, 4, 3, 2]) % 11;
    digits.first() != Some(&0) && (if check >= 10 { 0 } else { check }) == last(digits)
}

/// Born from 2000 on, the number is read with a 2 in front.
fn be_national(digits: &[u8]) -> bool {
    let (body, check) = (part(digits, 0, 9), part(digits, 9, 11));
    let month = part(digits, 2, 4) % 20;
    month <= 12 && (97 - body % 97 == check || 97 - (2_000_000_000 + body) % 97 == check)
}

fn at_svnr(digits: &[u8]) -> bool {
    let sum = weighted(digits, &[3, 7, 9, 0, 5, 8, 4, 2, 1, 6]);
    digits.first() != Some(&0)
        && u32::from(digits.get(3).copied().unwrap_or(0)) == sum % 11
        && plausible_date(part(digits, 6, 8) % 12 + 1, part(digits, 4, 6))
}

/// Without its name only those with a check digit.
fn dk_cpr_with_check(digits: &[u8]) -> bool {
    dk_cpr(digits) && weighted(digits, &[4, 3, 2, 7, 6, 5, 4, 3, 2, 1]).is_multiple_of(11)
}

/// Numbers given since 2007 need no check digit, so the date and the name have to do.
fn dk_cpr(digits: &[u8]) -> bool {
    plausible_date(part(digits, 2, 4), part(digits, 0, 2))
}

fn no_birth_number(digits: &[u8]) -> bool {
    let first = weighted(digits, &[3, 7, 6, 1, 8, 9, 4, 5, 2, 1]) % 11;
    let second = weighted(digits, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1]) % 11;
    first == 0 && second == 0 && varied(digits)
}

fn se_long(digits: &[u8]) -> bool {
    digits.get(2..).is_some_and(luhn) && plausible_date(part(digits, 4, 6), part(digits, 6, 8))
}

fn cz_birth_number(digits: &[u8]) -> bool {
    let month = part(digits, 2, 4) % 50;
    let month = if month > 20 { month - 20 } else { month };
    number(digits).is_multiple_of(11) && plausible_date(month, part(digits, 4, 6))
}

fn ro_cnp(digits: &[u8]) -> bool {
    let check = weighted(digits, &[2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9]) % 11;
    (if check == 10 { 1 } else { check }) == last(digits)
        && plausible_date(part(digits, 3, 5), part(digits, 5, 7))
        && digits.first() != Some(&0)
}

fn bg_egn(digits: &[u8]) -> bool {
    let check = weighted(digits, &[2, 4, 8, 5, 10, 9, 7, 3, 6]) % 11 % 10;
    check == last(digits) && plausible_date(part(digits, 2, 4) % 20, part(digits, 4, 6))
}

fn gr_amka(digits: &[u8]) -> bool {
    luhn(digits) && plausible_date(part(digits, 2, 4), part(digits, 0, 2))
}

fn gr_afm(digits: &[u8]) -> bool {
    weighted(digits, &[256, 128, 64, 32, 16, 8, 4, 2]) % 11 % 10 == last(digits) && varied(digits)
}

fn tr_national_id(digits: &[u8]) -> bool {
    let at = |place: usize| i32::from(digits.get(place).copied().unwrap_or(0));
    let odd: i32 = (0..9).step_by(2).map(at).sum();
    let even: i32 = (1..8).step_by(2).map(at).sum();
    let sum: i32 = (0..10).map(at).sum();
    at(0) != 0 && (odd * 7 - even).rem_euclid(10) == at(9) && sum % 10 == at(10)
}

fn ee_lt_code(digits: &[u8]) -> bool {
    let first = weighted(digits, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 1]) % 11;
    let second = weighted(digits, &[3, 4, 5, 6, 7, 8, 9, 1, 2, 3]) % 11;
    let check = if first < 10 { first } else { second % 10 };
    check == last(digits)
        && matches!(digits.first(), Some(1..=8))
        && plausible_date(part(digits, 3, 5), part(digits, 5, 7))
}

fn lv_code(digits: &[u8]) -> bool {
    let sum = weighted(digits, &[1, 6, 3, 7, 9, 10, 5, 8, 4, 2]);
    (1101 - sum % 11) % 11 % 10 == last(digits)
        && plausible_date(part(digits, 2, 4), part(digits, 0, 2))
}

/// ISO 7064 MOD 11,10.
fn iso_mod_11_10(digits: &[u8]) -> bool {
    let Some((check, body)) = digits.split_last() else {
        return false;
    };
    let product = body.iter().fold(10_u32, |product, digit| {
        let sum = (u32::from(*digit) + product) % 10;
        (if sum == 0 { 10 } else { sum }) * 2 % 11
    });
    (11 - product) % 10 == u32::from(*check)
}

fn si_emso(digits: &[u8]) -> bool {
    let rest = weighted(digits, &[7, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11;
    (11 - rest) % 11 % 10 == last(digits) && plausible_date(part(digits, 2, 4), part(digits, 0, 2))
}

fn hu_taj(digits: &[u8]) -> bool {
    weighted(digits, &[3, 7, 3, 7, 3, 7, 3, 7]) % 10 == last(digits) && varied(digits)
}

fn ca_sin(digits: &[u8]) -> bool {
    luhn(digits) && digits.first() != Some(&8) && varied(digits)
}

fn us_itin(digits: &[u8]) -> bool {
    digits.first() == Some(&9)
        && matches!(part(digits, 3, 5), 50..=65 | 70..=88 | 90..=92 | 94..=99)
}

/// Luhn over the number with 80840 in front, which adds 24.
fn us_npi(digits: &[u8]) -> bool {
    let mut whole = vec![8, 0, 8, 4, 0];
    whole.extend(digits);
    matches!(digits.first(), Some(1 | 2)) && luhn(&whole)
}

fn us_routing(digits: &[u8]) -> bool {
    weighted(digits, &[3, 7, 1, 3, 7, 1, 3, 7, 1]).is_multiple_of(10)
        && matches!(part(digits, 0, 2), 1..=12 | 21..=32 | 61..=72 | 80)
}

fn au_tfn(digits: &[u8]) -> bool {
    weighted(digits, &[1, 4, 3, 7, 5, 8, 6, 9, 10]).is_multiple_of(11) && varied(digits)
}

fn au_medicare(digits: &[u8]) -> bool {
    let check = weighted(digits, &[1, 3, 7, 9, 1, 3, 7, 9]) % 10;
    matches!(digits.first(), Some(2..=6)) && digits.get(8).map(|d| u32::from(*d)) == Some(check)
}

fn au_abn(digits: &[u8]) -> bool {
    let sum = weighted(digits, &[10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19]);
    digits.first() != Some(&0) && (sum - 10).is_multiple_of(89)
}

fn nz_ird(digits: &[u8]) -> bool {
    let check = |weights: &[u32]| (11 - weighted(digits, weights) % 11) % 11;
    let first = check(&[3, 2, 7, 6, 5, 4, 3, 2]);
    let found = if first == 10 {
        check(&[7, 4, 3, 2, 5, 2, 7, 6])
    } else {
        first
    };
    found == last(digits) && (10_000_000..150_000_000).contains(&number(digits))
}

fn jp_my_number(digits: &[u8]) -> bool {
    let rest = weighted(digits, &[6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11;
    (if rest <= 1 { 0 } else { 11 - rest }) == last(digits) && varied(digits)
}

fn kr_rrn(digits: &[u8]) -> bool {
    let sum = weighted(digits, &[2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5]);
    (11 - sum % 11) % 10 == last(digits) && plausible_date(part(digits, 2, 4), part(digits, 4, 6))
}

fn th_national_id(digits: &[u8]) -> bool {
    let sum = weighted(digits, &[13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2]);
    (11 - sum % 11) % 10 == last(digits) && matches!(digits.first(), Some(1..=8))
}

fn my_nric(digits: &[u8]) -> bool {
    plausible_date(part(digits, 2, 4), part(digits, 4, 6))
        && !matches!(part(digits, 6, 8), 0 | 17..=20 | 69..=70 | 73 | 80..=81 | 94..=97)
}

fn id_nik(digits: &[u8]) -> bool {
    let day = part(digits, 6, 8);
    let day = if day > 40 { day - 40 } else { day };
    plausible_date(part(digits, 8, 10), day)
        && (11..=94).contains(&part(digits, 0, 2))
        && part(digits, 12, 16) > 0
}

fn za_id(digits: &[u8]) -> bool {
    luhn(digits)
        && plausible_date(part(digits, 2, 4), part(digits, 4, 6))
        && matches!(digits.get(10), Some(0..=2))
}

fn luhn_nonzero(digits: &[u8]) -> bool {
    luhn(digits) && varied(digits)
}

fn br_cnpj(digits: &[u8]) -> bool {
    let check = |count: usize, weights: &[u32]| {
        let rest = weighted(digits.get(..count).unwrap_or_default(), weights) % 11;
        let check = if rest < 2 { 0 } else { 11 - rest };
        digits.get(count).map(|digit| u32::from(*digit)) == Some(check)
    };
    varied(digits)
        && check(12, &[5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2])
        && check(13, &[6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2])
}

fn ar_cuit(digits: &[u8]) -> bool {
    let check = match 11 - weighted(digits, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11 {
        11 => 0,
        10 => 9,
        check => check,
    };
    matches!(part(digits, 0, 2), 20 | 23 | 24 | 27 | 30 | 33 | 34) && check == last(digits)
}

pub(super) fn ru_snils(digits: &[u8]) -> bool {
    let sum = weighted(digits, &[9, 8, 7, 6, 5, 4, 3, 2, 1]) % 101 % 100;
    u64::from(sum) == part(digits, 9, 11) && part(digits, 0, 9) > 1_001_998
}

fn ru_inn(digits: &[u8]) -> bool {
    let first = weighted(digits, &[7, 2, 4, 10, 3, 5, 9, 4, 6, 8]) % 11 % 10;
    let second = weighted(digits, &[3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8]) % 11 % 10;
    digits.get(10).map(|d| u32::from(*d)) == Some(first) && second == last(digits) && varied(digits)
}

fn ua_tax_number(digits: &[u8]) -> bool {
    let weights = [-1_i64, 5, 7, 9, 4, 6, 10, 5, 7];
    let sum: i64 = digits
        .iter()
        .zip(weights)
        .map(|(digit, weight)| i64::from(*digit) * weight)
        .sum();
    sum.rem_euclid(11) % 10 == i64::from(last(digits)) && varied(digits)
}

fn kz_iin(digits: &[u8]) -> bool {
    let first = weighted(digits, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]) % 11;
    let second = weighted(digits, &[3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2]) % 11;
    let check = if first == 10 { second } else { first };
    check == last(digits) && plausible_date(part(digits, 2, 4), part(digits, 4, 6))
}

/// Luhn over the first eleven and the twelfth digit, Verhoeff over the first eleven and the last.
fn lu_national_id(digits: &[u8]) -> bool {
    let for_verhoeff = [digits.get(..11), digits.get(12..)]
        .map(Option::unwrap_or_default)
        .concat();
    digits.get(..12).is_some_and(luhn)
        && verhoeff(&for_verhoeff)
        && plausible_date(part(digits, 4, 6), part(digits, 6, 8))
}

fn is_kennitala(digits: &[u8]) -> bool {
    let check = (11 - weighted(digits, &[3, 2, 7, 6, 5, 4, 3, 2]) % 11) % 11;
    digits.get(8).map(|d| u32::from(*d)) == Some(check)
        && plausible_date(part(digits, 2, 4), part(digits, 0, 2) % 40)
        && matches!(digits.last(), Some(0 | 8 | 9))
}
