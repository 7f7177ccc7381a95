//! Readings as exact fixed-point numbers, and what is encrypted of one in each [`Form`].

use std::fmt;

use sealwire_envelope::compute::{
    DECIMALS_MAX, EDGES_MAX, Form, ReadingSpec, Threshold, UNIT_MAX_BYTES,
};
use serde::Serialize;
use zeroize::{Zeroize, Zeroizing};

/// A reading times `10^decimals` of its [`ReadingSpec`], within its bounds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Zeroize)]
pub struct Reading(i64);

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reading(secret)")
    }
}

/// A text or number that isn't a reading of this kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadingError {
    /// Not a decimal number.
    #[error("'{text}' isn't a decimal number such as -21.5")]
    Number {
        /// What was given.
        text: String,
    },
    /// More digits than are kept.
    #[error("'{text}' has more than {decimals} digits after the point: round it first")]
    Decimals {
        /// What was given.
        text: String,
        /// How many digits there may be.
        decimals: u8,
    },
    /// Outside the declared bounds.
    #[error("{value} is outside the declared bounds {min} to {max}")]
    Bounds {
        /// What was given.
        value: Decimal,
        /// The smallest reading.
        min: Decimal,
        /// The largest reading.
        max: Decimal,
    },
}

/// A [`ReadingSpec`] that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// Too many decimals.
    #[error("readings with {0} decimals: at most {DECIMALS_MAX}")]
    Decimals(u8),
    /// No reading fits.
    #[error("the smallest reading {min} isn't below the largest {max}")]
    Bounds {
        /// The smallest.
        min: Decimal,
        /// The largest.
        max: Decimal,
    },
    /// Bounds that overflow everything.
    #[error("readings up to {0} are too large: bounds must be within ±2^62 steps")]
    Large(Decimal),
    /// Too many edges.
    #[error("{0} edges of bins: at most {EDGES_MAX}")]
    Edges(usize),
    /// Edges that don't rise, or are out of bounds.
    #[error(
        "edge {0} doesn't rise above the one before, or is not above the smallest reading and at most the largest"
    )]
    Edge(Decimal),
    /// A long unit.
    #[error("the unit has {0} bytes: at most {UNIT_MAX_BYTES}")]
    Unit(usize),
}

/// Checks that a specification makes sense; whether a parameter set can serve it is for
/// [`crate::bound`].
///
/// # Errors
/// With the number that is wrong.
pub fn check_spec(spec: &ReadingSpec) -> Result<(), SpecError> {
    let decimal = |value: i64| Decimal::new(value.into(), spec.decimals.into());
    if spec.decimals > DECIMALS_MAX {
        return Err(SpecError::Decimals(spec.decimals));
    }
    if spec.min >= spec.max {
        let (min, max) = (decimal(spec.min), decimal(spec.max));
        return Err(SpecError::Bounds { min, max });
    }
    for bound in [spec.min, spec.max] {
        if bound.unsigned_abs() > 1 << 62 {
            return Err(SpecError::Large(decimal(bound)));
        }
    }
    if spec.edges.len() > EDGES_MAX {
        return Err(SpecError::Edges(spec.edges.len()));
    }
    let mut last = spec.min;
    for edge in &spec.edges {
        if *edge <= last || *edge > spec.max {
            return Err(SpecError::Edge(decimal(*edge)));
        }
        last = *edge;
    }
    if spec.unit.len() > UNIT_MAX_BYTES {
        return Err(SpecError::Unit(spec.unit.len()));
    }
    Ok(())
}

impl Reading {
    /// Reads a decimal number such as `21.5` or `-3`: no exponent, no rounding.
    ///
    /// # Errors
    /// When it isn't a number, has more digits than `spec` keeps, or is outside its bounds.
    pub fn parse(text: &str, spec: &ReadingSpec) -> Result<Self, ReadingError> {
        let scaled = parse_decimal(text, spec.decimals)?;
        let Ok(scaled) = i64::try_from(scaled) else {
            return Err(Self::outside(scaled, spec));
        };
        Self::from_scaled(scaled, spec)
    }

    /// A reading that already is times `10^decimals`.
    ///
    /// # Errors
    /// When it is outside the bounds.
    pub fn from_scaled(scaled: i64, spec: &ReadingSpec) -> Result<Self, ReadingError> {
        if (spec.min..=spec.max).contains(&scaled) {
            Ok(Self(scaled))
        } else {
            Err(Self::outside(scaled.into(), spec))
        }
    }

    fn outside(scaled: i128, spec: &ReadingSpec) -> ReadingError {
        let decimal = |value| Decimal::new(value, spec.decimals.into());
        ReadingError::Bounds {
            value: decimal(scaled),
            min: decimal(spec.min.into()),
            max: decimal(spec.max.into()),
        }
    }

    /// Times `10^decimals`.
    pub fn scaled(self) -> i64 {
        self.0
    }

    /// What is encrypted of it, [`items`] numbers, in constant time. The square of a large reading
    /// wraps: [`crate::bound`] refuses such a specification beforehand.
    pub(crate) fn numbers(self, form: Form, spec: &ReadingSpec) -> Zeroizing<Vec<i64>> {
        let above = self.0.wrapping_sub(spec.min);
        Zeroizing::new(match form {
            Form::Value => vec![self.0],
            Form::Moments => vec![self.0, self.0.wrapping_mul(self.0)],
            Form::Bits => (0..range_bits(spec)).map(|bit| above >> bit & 1).collect(),
            Form::OneHot => {
                // 1 where it is at least the lower edge, less 1 where it is at least the upper.
                let at_least = |edge: i64| !((self.0 - edge) >> 63) & 1;
                (0..=spec.edges.len())
                    .map(|bin| {
                        let low = if bin == 0 {
                            1
                        } else {
                            at_least(spec.edges[bin - 1])
                        };
                        low - spec.edges.get(bin).map_or(0, |edge| at_least(*edge))
                    })
                    .collect()
            }
        })
    }
}

/// Reads a decimal number as a whole number of `10^-decimals`.
///
/// # Errors
/// When it isn't a number or has too many digits after the point.
pub fn parse_decimal(text: &str, decimals: u8) -> Result<i128, ReadingError> {
    let number = || ReadingError::Number {
        text: text.chars().take(40).collect(),
    };
    let (negative, digits) = match text.as_bytes() {
        [b'-', ..] => (true, &text[1..]),
        [b'+', ..] => (false, &text[1..]),
        _ => (false, text),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |s: &str| s.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() > 20 || !all_digits(whole) || !all_digits(part) {
        return Err(number());
    }
    if digits.contains('.') && part.is_empty() {
        return Err(number());
    }
    let part = part.trim_end_matches('0');
    if part.len() > decimals.into() {
        let text = text.chars().take(40).collect();
        return Err(ReadingError::Decimals { text, decimals });
    }
    let digits = format!("{whole}{part:0<width$}", width = usize::from(decimals));
    let value: i128 = digits.parse().map_err(|_| number())?;
    Ok(if negative { -value } else { value })
}

/// How many ciphertexts a reading (or a group of readings in slots) has in a form.
pub fn items(form: Form, spec: &ReadingSpec) -> usize {
    match form {
        Form::Value => 1,
        Form::Moments => 2,
        Form::Bits => range_bits(spec) as usize,
        Form::OneHot => spec.edges.len() + 1,
    }
}

/// Bits of the distance from the smallest to the largest reading.
pub fn range_bits(spec: &ReadingSpec) -> u32 {
    u64::BITS - spec.max.abs_diff(spec.min).leading_zeros()
}

/// A threshold as a distance above the smallest reading; none if every reading or none is above it.
pub(crate) fn threshold_above_min(threshold: Threshold, spec: &ReadingSpec) -> Option<u64> {
    let Threshold { threshold } = threshold;
    (spec.min <= threshold && threshold < spec.max).then(|| threshold.abs_diff(spec.min))
}

/// An exact decimal number: `value * 10^-decimals`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Decimal {
    /// Times `10^decimals`.
    pub value: i128,
    /// Digits after the point.
    pub decimals: u32,
}

impl Decimal {
    /// `value * 10^-decimals`.
    pub fn new(value: i128, decimals: u32) -> Self {
        Self { value, decimals }
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.value < 0 { "-" } else { "" };
        let digits = self.value.unsigned_abs().to_string();
        let decimals = self.decimals as usize;
        if decimals == 0 {
            return write!(f, "{sign}{digits}");
        }
        let digits = format!("{digits:0>width$}", width = decimals + 1);
        let (whole, part) = digits.split_at(digits.len() - decimals);
        write!(f, "{sign}{whole}.{part}")
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// As text: JSON's numbers aren't exact.
impl Serialize for Decimal {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> ReadingSpec {
        ReadingSpec {
            decimals: 1,
            min: -400,
            max: 1250,
            edges: vec![0, 200, 300],
            unit: "°C".into(),
        }
    }

    #[test]
    fn decimals_are_exact_or_refused() {
        let spec = spec();
        for (text, scaled) in [
            ("21.5", 215),
            ("-40", -400),
            ("0", 0),
            ("+3.10", 31),
            ("125.0", 1250),
        ] {
            assert_eq!(
                Reading::parse(text, &spec).unwrap().scaled(),
                scaled,
                "{text}"
            );
        }
        for text in [
            "", "-", ".5", "5.", "1e3", "21,5", "NaN", " 1", "--1", "1.2.3", "٣",
        ] {
            assert!(
                matches!(
                    Reading::parse(text, &spec),
                    Err(ReadingError::Number { .. })
                ),
                "{text}"
            );
        }
        assert!(matches!(
            Reading::parse("1.25", &spec),
            Err(ReadingError::Decimals { .. })
        ));
        let error = Reading::parse("125.1", &spec).unwrap_err();
        assert_eq!(
            error.to_string(),
            "125.1 is outside the declared bounds -40.0 to 125.0"
        );
        assert!(Reading::parse("99999999999999999999", &spec).is_err());
    }

    #[test]
    fn forms_say_what_they_should() {
        let spec = spec();
        let numbers = |scaled, form| {
            Reading::from_scaled(scaled, &spec)
                .unwrap()
                .numbers(form, &spec)
                .to_vec()
        };
        assert_eq!(numbers(-7, Form::Moments), [-7, 49]);
        assert_eq!(range_bits(&spec), 11);
        let bits = numbers(1250, Form::Bits);
        assert_eq!(bits.iter().rev().fold(0, |all, bit| all << 1 | bit), 1650);
        assert_eq!(numbers(-400, Form::OneHot), [1, 0, 0, 0]);
        assert_eq!(numbers(-1, Form::OneHot), [1, 0, 0, 0]);
        assert_eq!(numbers(0, Form::OneHot), [0, 1, 0, 0]);
        assert_eq!(numbers(299, Form::OneHot), [0, 0, 1, 0]);
        assert_eq!(numbers(300, Form::OneHot), [0, 0, 0, 1]);
    }

    #[test]
    fn senseless_specifications_are_refused() {
        let with = |change: fn(&mut ReadingSpec)| {
            let mut spec = spec();
            change(&mut spec);
            check_spec(&spec)
        };
        assert!(with(|_| ()).is_ok());
        assert!(matches!(
            with(|s| s.decimals = 10),
            Err(SpecError::Decimals(10))
        ));
        assert!(matches!(
            with(|s| s.max = s.min),
            Err(SpecError::Bounds { .. })
        ));
        assert!(matches!(
            with(|s| s.max = i64::MAX),
            Err(SpecError::Large(_))
        ));
        assert!(matches!(
            with(|s| s.edges = vec![5, 5]),
            Err(SpecError::Edge(_))
        ));
        assert!(matches!(
            with(|s| s.edges = vec![-400]),
            Err(SpecError::Edge(_))
        ));
        assert!(matches!(
            with(|s| s.edges = (0..64).collect()),
            Err(SpecError::Edges(64))
        ));
        assert!(matches!(
            with(|s| s.unit = "x".repeat(17)),
            Err(SpecError::Unit(17))
        ));
    }
}
