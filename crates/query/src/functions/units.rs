//! Units of measure: `convert_length(1.2, 'Meter', 'Foot')`. Factors to the SI unit are those of the
//! BIPM brochure and NIST SP 811, appendix B.

use super::{Function, text};
use crate::value::Value;

/// A unit: its name, and how many of the SI unit it is.
type Unit = (&'static str, f64);

pub(super) const FUNCTIONS: &[Function] = &[
    Function::rows("convert_angle", |a| scaled(a, ANGLE)),
    Function::rows("convert_energy", |a| scaled(a, ENERGY)),
    Function::rows("convert_force", |a| scaled(a, FORCE)),
    Function::rows("convert_length", |a| scaled(a, LENGTH)),
    Function::rows("convert_mass", |a| scaled(a, MASS)),
    Function::rows("convert_speed", speed),
    Function::rows("convert_temperature", temperature),
    Function::rows("convert_volume", |a| scaled(a, VOLUME)),
];

fn scaled(args: &[Value], units: &[Unit]) -> Option<Value> {
    let factor = |name: &str| {
        units
            .iter()
            .find(|(unit, _)| *unit == name)
            .map(|(_, factor)| *factor)
    };
    let (from, to) = (factor(&text(args, 1)?)?, factor(&text(args, 2)?)?);
    Some(Value::Real(args[0].as_f64()? * from / to))
}

/// `FootPerSecond`: a length by a time.
fn speed(args: &[Value]) -> Option<Value> {
    let factor = |name: &str| {
        if name == "Knot" {
            return Some(1_852.0 / 3_600.0);
        }
        if name == "Mach" {
            return Some(340.29);
        }
        let (length, time) = name.split_once("Per")?;
        let find = |units: &[Unit], name: &str| {
            units
                .iter()
                .find(|(unit, _)| *unit == name)
                .map(|unit| unit.1)
        };
        Some(find(LENGTH, length)? / find(TIME, time)?)
    };
    let (from, to) = (factor(&text(args, 1)?)?, factor(&text(args, 2)?)?);
    Some(Value::Real(args[0].as_f64()? * from / to))
}

fn temperature(args: &[Value]) -> Option<Value> {
    // Kelvin at nought, and kelvin for each degree.
    let scale = |name: &str| match name {
        "Kelvin" => Some((0.0, 1.0)),
        "MillidegreeCelsius" => Some((273.15, 0.001)),
        "DegreeCelsius" => Some((273.15, 1.0)),
        "DegreeFahrenheit" => Some((273.15 - 32.0 / 1.8, 1.0 / 1.8)),
        "DegreeRankine" => Some((0.0, 1.0 / 1.8)),
        "DegreeDelisle" => Some((373.15, -2.0 / 3.0)),
        "DegreeNewton" => Some((273.15, 100.0 / 33.0)),
        "DegreeReaumur" => Some((273.15, 1.25)),
        "DegreeRoemer" => Some((273.15 - 7.5 * 40.0 / 21.0, 40.0 / 21.0)),
        "SolarTemperature" => Some((0.0, 5_778.0)),
        _ => None,
    };
    let ((zero, step), (to_zero, to_step)) = (scale(&text(args, 1)?)?, scale(&text(args, 2)?)?);
    let kelvin = args[0].as_f64()? * step + zero;
    Some(Value::Real((kelvin - to_zero) / to_step))
}

const ANGLE: &[Unit] = &[
    ("Nanoradian", 1e-09),
    ("Microradian", 1e-06),
    ("Milliradian", 0.001),
    ("Centiradian", 0.01),
    ("Deciradian", 0.1),
    ("Radian", 1.0),
    ("Degree", std::f64::consts::PI / 180.0),
    ("Arcminute", std::f64::consts::PI / 10_800.0),
    ("Arcsecond", std::f64::consts::PI / 648_000.0),
    ("Microdegree", std::f64::consts::PI / 180e6),
    ("Millidegree", std::f64::consts::PI / 180e3),
    ("Nanodegree", std::f64::consts::PI / 180e9),
    ("Gradian", std::f64::consts::PI / 200.0),
    ("NatoMil", std::f64::consts::PI / 3_200.0),
    ("Revolution", 2.0 * std::f64::consts::PI),
];

const ENERGY: &[Unit] = &[
    ("Millijoule", 0.001),
    ("Joule", 1.0),
    ("Kilojoule", 1000.0),
    ("Megajoule", 1000000.0),
    ("Gigajoule", 1000000000.0),
    ("Terajoule", 1000000000000.0),
    ("BritishThermalUnit", 1055.05585262),
    ("Calorie", 4.184),
    ("Kilocalorie", 4184.0),
    ("DecathermEc", 1055055852.6),
    ("DecathermUs", 1054804000.0),
    ("ElectronVolt", 1.602176634e-19),
    ("KiloelectronVolt", 1.602176634e-16),
    ("MegaelectronVolt", 1.602176634e-13),
    ("Erg", 1e-07),
    ("FootPound", 1.3558179483314003),
    ("WattHour", 3600.0),
    ("KilowattHour", 3600000.0),
    ("MegawattHour", 3600000000.0),
    ("GigawattHour", 3600000000000.0),
    ("TerawattHour", 3600000000000000.0),
    ("HorsepowerHour", 2684519.537696173),
    ("ThermEc", 105505585.262),
    ("ThermUs", 105480400.0),
];

const FORCE: &[Unit] = &[
    ("Micronewton", 1e-06),
    ("Millinewton", 0.001),
    ("Newton", 1.0),
    ("Decanewton", 10.0),
    ("Kilonewton", 1000.0),
    ("Meganewton", 1000000.0),
    ("Dyn", 1e-05),
    ("KilogramForce", 9.80665),
    ("KiloPond", 9.80665),
    ("TonneForce", 9806.65),
    ("ShortTonForce", 8896.443230521),
    ("OunceForce", 0.2780138509537812),
    ("PoundForce", 4.4482216152605),
    ("Poundal", 0.138254954376),
    ("KilopoundForce", 4448.2216152605),
];

const LENGTH: &[Unit] = &[
    ("Nanometer", 1e-09),
    ("Micrometer", 1e-06),
    ("Millimeter", 0.001),
    ("Centimeter", 0.01),
    ("Decimeter", 0.1),
    ("Meter", 1.0),
    ("Hectometer", 100.0),
    ("Kilometer", 1000.0),
    ("Angstrom", 1e-10),
    ("AstronomicalUnit", 149597870700.0),
    ("Chain", 20.1168),
    ("DtpPica", 0.004233333333333333),
    ("DtpPoint", 0.00035277777777777776),
    ("Fathom", 1.8288),
    ("Foot", 0.3048),
    ("Hand", 0.1016),
    ("Inch", 0.0254),
    ("LightYear", 9460730472580800.0),
    ("Microinch", 2.54e-08),
    ("Mil", 2.54e-05),
    ("Mile", 1609.344),
    ("NauticalMile", 1852.0),
    ("Parsec", 3.085677581491367e+16),
    ("Kiloparsec", 3.085677581491367e+19),
    ("Megaparsec", 3.085677581491367e+22),
    ("PrinterPica", 0.004217517642175176),
    ("PrinterPoint", 0.00035145980351459805),
    ("Shackle", 27.432),
    ("SolarRadius", 695700000.0),
    ("Twip", 1.763888888888889e-05),
    ("UsSurveyFoot", 1_200.0 / 3_937.0),
    ("Yard", 0.9144),
];

const MASS: &[Unit] = &[
    ("Nanogram", 1.0000000000000002e-12),
    ("Microgram", 1e-09),
    ("Milligram", 1e-06),
    ("Centigram", 1e-05),
    ("Decigram", 0.0001),
    ("Gram", 0.001),
    ("Decagram", 0.01),
    ("Hectogram", 0.1),
    ("Kilogram", 1.0),
    ("EarthMass", 5.9722e+24),
    ("SolarMass", 1.98841e+30),
    ("Grain", 6.479891e-05),
    ("LongHundredweight", 50.80234544),
    ("LongTon", 1016.0469088),
    ("Ounce", 0.028349523125),
    ("Pound", 0.45359237),
    ("Kilopound", 453.59237),
    ("Megapound", 453592.37),
    ("ShortHundredweight", 45.359237),
    ("ShortTon", 907.18474),
    ("Slug", 14.593902937206366),
    ("Stone", 6.35029318),
    ("Tonne", 1000.0),
    ("Kilotonne", 1000000.0),
    ("Megatonne", 1000000000.0),
];

const VOLUME: &[Unit] = &[
    ("Nanoliter", 1.0000000000000002e-12),
    ("Microliter", 1e-09),
    ("Milliliter", 1e-06),
    ("Centiliter", 1e-05),
    ("Deciliter", 0.0001),
    ("Liter", 0.001),
    ("Decaliter", 0.01),
    ("Hectoliter", 0.1),
    ("Kiloliter", 1.0),
    ("Megaliter", 1000.0),
    ("CubicMeter", 1.0),
    ("CubicMicrometer", 1e-18),
    ("CubicMillimeter", 1e-09),
    ("CubicCentimeter", 1e-06),
    ("CubicDecimeter", 0.001),
    ("CubicHectometer", 1000000.0),
    ("CubicKilometer", 1000000000.0),
    ("CubicFoot", 0.028316846592000004),
    ("CubicInch", 1.6387064e-05),
    ("CubicMile", 4168181825.44058),
    ("CubicYard", 0.764554857984),
    ("HectocubicMeter", 100.0),
    ("KilocubicMeter", 1000.0),
    ("AcreFoot", 1.0 / 0.000_810_714),
    ("ImperialBeerBarrel", 0.16365924),
    ("ImperialGallon", 0.00454609),
    ("ImperialOunce", 2.84130625e-05),
    ("ImperialPint", 0.00056826125),
    ("ImperialQuart", 0.0011365225),
    ("OilBarrel", 0.158987294928),
    ("UsBeerBarrel", 0.117347765304),
    ("UsGallon", 0.003785411784),
    ("UsOunce", 2.95735295625e-05),
    ("UsPint", 0.000473176473),
    ("UsQuart", 0.000946352946),
    ("UsTablespoon", 1.478676478125e-05),
    ("UsTeaspoon", 4.92892159375e-06),
    ("MetricCup", 0.00025),
    ("MetricTeaspoon", 5e-06),
];

const TIME: &[Unit] = &[("Second", 1.0), ("Minute", 60.0), ("Hour", 3_600.0)];
