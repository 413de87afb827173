"""Makes personal_data.tsv: values that are valid, and near misses, for every kind of personal data.

Whether a number is valid is asked of python-stdnum where it knows the kind, and of a few lines
here where it does not, so that the test does not ask the code that it tests. The same seed gives
the same file: `pip install python-stdnum==2.2 && python3 personal_data.py > personal_data.tsv`.
"""

import random
import string
from importlib import import_module

from stdnum import iban, luhn, verhoeff

VALUES = 12  # Of each kind, and as many near misses.
random.seed(7)


def digits(count):
    return "".join(random.choices(string.digits, k=count))


def date(fmt="%y%m%d", first=1940, last=1999):
    year, month, day = random.randint(first, last), random.randint(1, 12), random.randint(1, 28)
    return (
        fmt.replace("%Y", f"{year}").replace("%y", f"{year % 100:02}")
        .replace("%m", f"{month:02}").replace("%d", f"{day:02}")
    )


def std(name):
    return import_module(f"stdnum.{name}").is_valid


def capitals(count):
    return "".join(random.choices("ABCEGHJKLMNPRSTWXYZ", k=count))


def weighted(text, weights):
    return sum(int(d) * w for d, w in zip(text, weights))


# Checks of kinds that python-stdnum does not know.
def hu_taj(n):
    return weighted(n, [3, 7] * 4) % 10 == int(n[8])


def us_npi(n):
    return luhn.is_valid("80840" + n)


def au_medicare(n):
    return n[0] in "23456" and weighted(n, [1, 3, 7, 9] * 2) % 10 == int(n[8])


def ru_snils(n):
    total = weighted(n[:9], range(9, 0, -1))
    total = total if total < 100 else total % 101 % 100
    return total == int(n[9:])


def kz_iin(n):
    check = weighted(n, range(1, 12)) % 11
    if check == 10:
        check = weighted(n, [3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2]) % 11
    return check == int(n[11])


def lu_id(n):
    return luhn.is_valid(n[:12]) and verhoeff.is_valid(n[:11] + n[12])


def lv_code(n):
    return (1101 - weighted(n, [1, 6, 3, 7, 9, 10, 5, 8, 4, 2])) % 11 == int(n[10])


def sg_nric(n):
    total = weighted(n[1:8], [2, 7, 6, 5, 4, 3, 2]) + {"S": 0, "T": 4, "F": 0, "G": 4}[n[0]]
    return n[8] == ("JZIHGFEDCBA" if n[0] in "ST" else "XWUTRQPNMLK")[total % 11]


def tw_id(n):
    first = "ABCDEFGHJKLMNPQRSTUVXYWZIO".index(n[0]) + 10
    total = first // 10 + first % 10 * 9 + weighted(n[1:], [8, 7, 6, 5, 4, 3, 2, 1, 1])
    return total % 10 == 0


def hk_id(n):
    total = 324 + (ord(n[0]) - 55) * 8 + weighted(n[1:7], [7, 6, 5, 4, 3, 2])
    check = n[8]
    return check == "0123456789A"[-total % 11]


def de_sv(n):
    whole = n[:8] + f"{ord(n[8]) - 64:02}" + n[9:11]
    products = (int(d) * w for d, w in zip(whole, [2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1]))
    return sum(p // 10 + p % 10 for p in products) % 10 == int(n[11])


def yes(_):
    return True


def grouped(*groups, by=" "):
    def form(number):
        parts, at = [], 0
        for group in groups:
            parts.append(number[at : at + group])
            at += group
        return by.join(parts)

    return form


def plain(number):
    return number


def card_check(prefixes):
    return lambda n: luhn.is_valid(n) and n.startswith(prefixes)


# Rule, how to guess a number, whether it is valid, how it is written, what stands before it.
KINDS = [
    ("card", lambda: "4" + digits(15), card_check("4"), [plain, grouped(4, 4, 4, 4), grouped(4, 4, 4, 4, by="-")], ["card", "Visa:", ""]),
    ("card", lambda: random.choice(["51", "55", "2221", "2720"]).ljust(4, "1") + digits(12), card_check(("5", "2")), [plain, grouped(4, 4, 4, 4)], ["Mastercard", "paid with", ""]),
    ("card", lambda: random.choice(["34", "37"]) + digits(13), card_check(("34", "37")), [plain, grouped(4, 6, 5)], ["Amex", "card no."]),
    ("card", lambda: random.choice(["6011", "65", "644"]) + digits(14), lambda n: luhn.is_valid(n[:16]), [lambda n: n[:16]], ["Discover"]),
    ("card", lambda: "36" + digits(12), card_check("36"), [plain], ["Diners"]),
    ("us_ssn", lambda: digits(9), std("us.ssn"), [grouped(3, 2, 4, by="-"), grouped(3, 2, 4), plain], ["SSN", "Social Security Number:", "social security no."]),
    ("us_itin", lambda: "9" + digits(8), std("us.itin"), [grouped(3, 2, 4, by="-")], ["ITIN", "itin:"]),
    ("us_npi", lambda: "1" + digits(9), us_npi, [plain], ["NPI", "provider NPI:"]),
    ("us_routing_number", lambda: random.choice(["02", "11", "26", "32"]) + digits(7), std("us.rtn"), [plain], ["routing number", "ABA routing"]),
    ("br_cpf", lambda: digits(11), std("br.cpf"), [plain, lambda n: f"{n[:3]}.{n[3:6]}.{n[6:9]}-{n[9:]}"], ["CPF", "CPF:"]),
    ("br_cnpj", lambda: digits(8) + "0001" + digits(2), std("br.cnpj"), [plain], ["CNPJ", "CNPJ:"]),
    ("ch_ahv", lambda: "756" + digits(10), std("ch.ssn"), [grouped(3, 4, 4, 2, by="."), plain], ["AHV-Nr.", "AVS"]),
    ("in_aadhaar", lambda: random.choice("23456789") + digits(11), std("in_.aadhaar"), [grouped(4, 4, 4), plain], ["Aadhaar", "Aadhaar number:"]),
    ("in_pan", lambda: f"{capitals(3)}P{capitals(1)}{digits(4)}{capitals(1)}", std("in_.pan"), [plain], ["PAN", ""]),
    ("pl_pesel", lambda: date() + digits(5), std("pl.pesel"), [plain], ["PESEL", "numer PESEL:"]),
    ("de_tax_id", lambda: random.choice("123456789") + digits(10), std("de.idnr"), [plain, grouped(2, 3, 3, 3)], ["Steuer-ID", "Steueridentifikationsnummer:", "IdNr."]),
    ("de_social_security", lambda: f"{digits(2)}{date('%d%m%y')}{capitals(1)}{digits(3)}", de_sv, [plain], ["Sozialversicherungsnummer", "Rentenversicherungsnummer:"]),
    ("nl_bsn", lambda: digits(9), std("nl.bsn"), [plain], ["BSN", "burgerservicenummer:"]),
    ("uk_nhs", lambda: digits(10), std("gb.nhs"), [plain, grouped(3, 3, 4)], ["NHS number", "NHS no:"]),
    ("uk_nino", lambda: f"{capitals(2)}{digits(6)}{random.choice('ABCD')}", lambda n: n[:2] not in ("GB", "NK", "KN", "TN", "NT", "BG", "ZZ"), [plain], ["NINO", "National Insurance number:", ""]),
    ("fr_nir", lambda: f"{random.choice('12')}{date('%y%m')}{random.randint(1, 95):02}{digits(8)}", std("fr.nir"), [plain, grouped(1, 2, 2, 2, 3, 3, 2)], ["NIR", "numéro de sécurité sociale :"]),
    ("se_personnummer", lambda: date() + digits(4), std("se.personnummer"), [grouped(6, 4, by="-"), plain], ["personnummer", "Personnummer:"]),
    ("cn_resident_id", lambda: "110105" + date("%Y%m%d") + digits(3) + random.choice(string.digits + "X"), std("cn.ric"), [plain], ["身份证", "resident id"]),
    ("pt_nif", lambda: random.choice("12") + digits(8), std("pt.nif"), [plain], ["NIF", "contribuinte n.º"]),
    ("be_national_number", lambda: date() + digits(5), std("be.nn"), [plain, grouped(2, 2, 2, 3, 2, by=".")], ["rijksregisternummer", "numéro de registre national :"]),
    ("at_social_security", lambda: random.choice("123456789") + digits(3) + date("%d%m%y"), std("at.vnr"), [plain, grouped(4, 6)], ["SVNR", "Sozialversicherungsnummer:"]),
    ("dk_cpr", lambda: date("%d%m%y") + digits(4), std("dk.cpr"), [grouped(6, 4, by="-"), plain], ["CPR", "CPR-nummer:"]),
    ("no_birth_number", lambda: date("%d%m%y") + digits(5), std("no.fodselsnummer"), [plain], ["fødselsnummer", "fnr"]),
    ("cz_birth_number", lambda: date(first=1955) + digits(4), std("cz.rc"), [plain, grouped(6, 4, by="/")], ["rodné číslo", "rodné číslo:"]),
    ("ro_cnp", lambda: random.choice("12") + date() + "40" + digits(4), std("ro.cnp"), [plain], ["CNP", "CNP:"]),
    ("bg_egn", lambda: date() + digits(4), std("bg.egn"), [plain], ["ЕГН", "EGN"]),
    ("gr_amka", lambda: date("%d%m%y") + digits(5), std("gr.amka"), [plain], ["ΑΜΚΑ", "AMKA"]),
    ("gr_afm", lambda: digits(9), std("gr.vat"), [plain], ["ΑΦΜ", "AFM"]),
    ("tr_national_id", lambda: random.choice("123456789") + digits(10), std("tr.tckimlik"), [plain], ["TC Kimlik No", "T.C. kimlik no:"]),
    ("ee_lt_personal_code", lambda: random.choice("34") + date() + digits(4), std("ee.ik"), [plain], ["isikukood", "isikukood:"]),
    ("ee_lt_personal_code", lambda: random.choice("34") + date() + digits(4), std("lt.asmens"), [plain], ["asmens kodas"]),
    ("lv_personal_code", lambda: date("%d%m%y") + "1" + digits(4), lv_code, [plain, grouped(6, 5, by="-")], ["personas kods"]),
    ("hr_oib", lambda: digits(11), std("hr.oib"), [plain], ["OIB", "OIB:"]),
    ("si_emso", lambda: date("%d%m", 1950, 1999) + "9" + digits(2) + "50" + digits(4), std("si.emso"), [plain], ["EMŠO", "EMSO"]),
    ("hu_taj", lambda: digits(9), hu_taj, [plain, grouped(3, 3, 3)], ["TAJ", "TAJ szám:"]),
    ("ca_sin", lambda: random.choice("1234567") + digits(8), std("ca.sin"), [grouped(3, 3, 3), grouped(3, 3, 3, by="-"), plain], ["SIN", "social insurance number"]),
    ("au_tfn", lambda: digits(9), std("au.tfn"), [plain, grouped(3, 3, 3)], ["TFN", "tax file number"]),
    ("au_medicare", lambda: random.choice("23456") + digits(8) + "1", au_medicare, [plain, grouped(4, 5, 1)], ["Medicare", "medicare no."]),
    ("au_abn", lambda: digits(11), std("au.abn"), [plain, grouped(2, 3, 3, 3)], ["ABN"]),
    ("nz_ird", lambda: "0" + digits(8), std("nz.ird"), [plain], ["IRD", "IRD number"]),
    ("jp_my_number", lambda: digits(12), std("jp.in_"), [plain, grouped(4, 4, 4)], ["マイナンバー", "個人番号"]),
    ("kr_rrn", lambda: date() + random.choice("12") + digits(6), std("kr.rrn"), [grouped(6, 7, by="-"), plain], ["주민등록번호", "RRN"]),
    ("th_national_id", lambda: random.choice("12345678") + digits(12), std("th.pin"), [plain, grouped(1, 4, 5, 2, 1, by="-")], ["Thai ID", "เลขประจำตัว"]),
    ("my_nric", lambda: date() + "14" + digits(4), std("my.nric"), [grouped(6, 2, 4, by="-"), plain], ["NRIC", "MyKad"]),
    ("id_nik", lambda: "317101" + date("%d%m%y") + digits(4), std("id.nik"), [plain], ["NIK", "KTP"]),
    ("za_id", lambda: date() + digits(4) + "08" + digits(1), std("za.idnr"), [plain], ["South African ID", "SA ID number"]),
    ("il_id", lambda: digits(9), std("il.idnr"), [plain], ["תעודת זהות", "Israeli ID"]),
    ("ar_cuit", lambda: random.choice(["20", "27", "30"]) + digits(9), std("ar.cuit"), [plain, grouped(2, 8, 1, by="-")], ["CUIT", "CUIL:"]),
    ("ru_snils", lambda: "1" + digits(10), ru_snils, [lambda n: f"{n[:3]}-{n[3:6]}-{n[6:9]} {n[9:]}", plain], ["СНИЛС", "СНИЛС:"]),
    ("ru_inn", lambda: digits(12), std("ru.inn"), [plain], ["ИНН", "ИНН:"]),
    ("ua_tax_number", lambda: digits(10), std("ua.rntrc"), [plain], ["РНОКПП", "ІПН"]),
    ("kz_iin", lambda: date() + digits(6), kz_iin, [plain], ["ИИН", "ЖСН"]),
    ("lu_national_id", lambda: date("%Y%m%d") + digits(5), lu_id, [plain], ["matricule"]),
    ("is_kennitala", lambda: date("%d%m%y") + digits(3) + "9", std("is_.kennitala"), [grouped(6, 4, by="-"), plain], ["kennitala"]),
    ("es_dni", lambda: digits(8) + random.choice("TRWAGMYFPDXBNJZSQVHLCKE"), std("es.dni"), [plain], ["DNI", ""]),
    ("es_nie", lambda: random.choice("XYZ") + digits(7) + random.choice("TRWAGMYFPDXBNJZSQVHLCKE"), std("es.nie"), [plain], ["NIE", ""]),
    ("it_codice_fiscale", lambda: f"RSSMRA{random.randint(40, 99)}{random.choice('ABCDEHLMPRST')}{random.randint(1, 28):02}H501{random.choice(string.ascii_uppercase)}", std("it.codicefiscale"), [plain], ["codice fiscale", ""]),
    ("mx_curp", lambda: f"BOXW{date()}{random.choice('HM')}CHLNS0{digits(1)}", std("mx.curp"), [plain], ["CURP", ""]),
    ("ie_pps", lambda: digits(7) + random.choice("ABCDEFGHIJKLMNOPQRSTUVW"), std("ie.pps"), [plain], ["PPS", "PPSN"]),
    ("fi_hetu", lambda: date("%d%m%y") + "-" + digits(3) + random.choice("0123456789ABCDEFHJKLMNPRSTUVWXY"), std("fi.hetu"), [plain], ["henkilötunnus", ""]),
    ("sg_nric", lambda: random.choice("STFG") + digits(7) + random.choice(string.ascii_uppercase), sg_nric, [plain], ["NRIC", ""]),
    ("tw_national_id", lambda: random.choice("ABCDEFGH") + random.choice("12") + digits(8), tw_id, [plain], ["身分證字號", ""]),
    ("hk_id", lambda: f"{capitals(1)}{digits(6)}({random.choice('0123456789A')})", hk_id, [plain], ["HKID", ""]),
    ("cl_rut", lambda: f"{random.randint(5000000, 25000000)}-{random.choice('0123456789K')}", std("cl.rut"), [lambda n: f"{int(n[:-2]):,}".replace(",", ".") + n[-2:]], ["RUT", ""]),
    ("passport", lambda: capitals(1) + digits(8), yes, [plain], ["passport number", "Passport no:"]),
    ("passport", lambda: capitals(2) + digits(7), yes, [plain], ["passaporto", "passeport n°"]),
]

# What nearly is one, of kinds where a wrong digit makes no difference.
MISSES = {
    "us_ssn": lambda: f"SSN {random.choice(['000', '666', '900'])}-{random.randint(10, 49)}-{digits(4)}",
    "us_itin": lambda: f"ITIN 9{digits(2)}-{random.randint(10, 49)}-{digits(4)}",
    "dk_cpr": lambda: f"CPR {random.randint(32, 99)}{random.randint(13, 99)}{digits(2)}-{digits(4)}",
    "my_nric": lambda: f"NRIC {digits(2)}{random.randint(13, 99)}{digits(2)}-14-{digits(4)}",
    "id_nik": lambda: f"NIK 317101{random.randint(1, 28):02}{random.randint(13, 99)}{digits(6)}",
    "in_pan": lambda: f"PAN {capitals(5)}{digits(3)}{capitals(1)}",
    "uk_nino": lambda: f"NINO {random.choice(['GB', 'NK', 'TN', 'ZZ', 'DA', 'QQ'])}{digits(6)}{random.choice('EFG')}",
    "passport": lambda: f"part number {capitals(1)}{digits(8)}",
}


def spoiled(number, valid):
    """The number with one digit changed, so that it is not valid any more."""
    while True:
        places = [at for at, c in enumerate(number) if c.isdigit()]
        at = random.choice(places[len(places) // 2 :])
        other = number[:at] + random.choice(string.digits) + number[at + 1 :]
        if other != number and not valid(other):
            return other


def numbers():
    for rule, guess, valid, forms, names in KINDS:
        for turn in range(VALUES):
            number = guess()
            while not valid(number):
                number = guess()
            form, name = forms[turn % len(forms)], names[turn % len(names)]
            yield rule, "valid", f"{name} {form(number)}".strip()
            if rule in MISSES:
                yield rule, "miss", MISSES[rule]()
            else:
                yield rule, "miss", f"{name} {form(spoiled(number, valid))}".strip()


def ibans():
    lengths = dict(AT=20, BE=16, CH=21, CZ=24, DE=22, DK=18, EE=20, ES=24, FI=18, FR=27, GB=22, HU=28, IE=22, IT=27, LU=20, NL=18, NO=15, PL=28, PT=25, RO=24, SE=24, SK=24, TR=26)
    for country, length in lengths.items():
        while True:
            account = digits(length - 4)
            if country in ("GB", "NL", "IE", "RO"):
                account = "BANK" + account[4:]
            if country in ("IT",):
                account = "X" + account[1:]
            number = country + "00" + account
            number = country + iban.calc_check_digits(number) + account
            if iban.is_valid(number, check_country=False):
                break
        spaced = " ".join(number[at : at + 4] for at in range(0, len(number), 4))
        written = random.choice([number, spaced])
        yield "iban", "valid", f"IBAN {written}"
        wrong = number[:-1] + str((int(number[-1]) + 1) % 10)
        yield "iban", "miss", f"IBAN {wrong}"


def contacts():
    for turn in range(VALUES):
        user = "".join(random.choices(string.ascii_lowercase, k=6))
        yield "email", "valid", f"write to {user}.{turn}@mail.{user}.example.org"
        yield "email", "miss", random.choice([f"@{user}", f"{user}@", f"{user}@localhost", f"{user} @ home"])
        a, b, c, d = random.choice([8, 34, 81, 203]), random.randint(20, 255), random.randint(0, 255), random.randint(1, 254)
        yield "ip_address", "valid", f"from {a}.{b}.{c}.{d}"
        yield "ip_address", "miss", random.choice([f"from 10.{b}.{c}.{d}", f"from {a}.{b}.{c}.{256 + d}", f"version 1.{turn}.2.3", f"from 127.0.0.{d}"])
        yield "phone", "valid", random.choice(["+49 30 " + digits(7), f"+1 (415) 555-{digits(4)}", f"(212) 555-{digits(4)}", "+44 20 7946 " + digits(4)])
        yield "phone", "miss", random.choice([f"2024-11-{turn + 10}", f"room 415-{digits(2)}", f"+{digits(3)}", f"{digits(4)} units"])


print("# rule, valid or a near miss, text; made by personal_data.py")
for rule, what, text in [*numbers(), *ibans(), *contacts()]:
    print(f"personal_data.{rule}\t{what}\t{text}")
