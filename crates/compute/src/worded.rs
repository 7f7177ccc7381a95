//! A function and its public arguments as people write them: a name and decimal numbers.
//!
//! The command line and the console read what they are told by [`Worded::read`]; numbers become steps of the last
//! decimal that the key keeps, and a number that doesn't fit is refused with its place.

use sealwire_envelope::compute::{Function, ReadingSpec, Threshold, Weights};

use crate::reading::{ReadingError, parse_decimal};

/// What somebody asks for, in their words.
#[derive(Clone, Copy, Debug, Default)]
pub struct Worded<'a> {
    /// Name of the function, as [`crate::plan::name`] has it.
    pub function: &'a str,
    /// `count-over`: above which number.
    pub threshold: Option<&'a str>,
    /// `weighted-sum`, `linear`: one for each input, in their order.
    pub weights: &'a [String],
    /// `weighted-sum`, `linear`: what is added in the end.
    pub constant: Option<&'a str>,
}

/// What can't be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WordedError {
    /// No such function.
    #[error(
        "there is no function '{0}': it is sum, mean, weighted-sum, linear, variance, deviation, dot, \
         count-over, histogram or range"
    )]
    Function(String),
    /// `count-over` without a threshold.
    #[error("count-over needs a threshold")]
    NoThreshold,
    /// A threshold for another function.
    #[error("a threshold is for count-over")]
    Threshold,
    /// Weights or a constant for another function.
    #[error("weights and a constant are for weighted-sum and linear")]
    Weights,
    /// Not one weight for each input.
    #[error("{weights} weights for {inputs} topics: say one for each topic, in their order")]
    Count {
        /// How many were said.
        weights: usize,
        /// How many there should be.
        inputs: usize,
    },
    /// Not a number, or one that doesn't fit.
    #[error("{what}: {source}")]
    Number {
        /// Which argument.
        what: &'static str,
        /// What is wrong.
        #[source]
        source: Box<ReadingError>,
    },
    /// More than 64 bits.
    #[error("{what} {text} is too large")]
    Large {
        /// Which argument.
        what: &'static str,
        /// What was said.
        text: String,
    },
}

impl Worded<'_> {
    /// The function over so many inputs of such readings.
    ///
    /// # Errors
    /// [`WordedError`].
    pub fn read(&self, inputs: usize, readings: &ReadingSpec) -> Result<Function, WordedError> {
        let weighted = matches!(self.function, "weighted-sum" | "linear");
        if !weighted && (!self.weights.is_empty() || self.constant.is_some()) {
            return Err(WordedError::Weights);
        }
        if self.function != "count-over" && self.threshold.is_some() {
            return Err(WordedError::Threshold);
        }
        Ok(match self.function {
            "sum" => Function::Sum,
            "mean" => Function::Mean,
            "weighted-sum" => Function::WeightedSum(self.weights(inputs, readings)?),
            "linear" => Function::Linear(self.weights(inputs, readings)?),
            "variance" => Function::Variance,
            "deviation" => Function::Deviation,
            "dot" => Function::Dot,
            "count-over" => {
                let text = self.threshold.ok_or(WordedError::NoThreshold)?;
                let threshold = scaled("threshold", text, readings.decimals)?;
                Function::CountOver(Threshold { threshold })
            }
            "histogram" => Function::Histogram,
            "range" => Function::Range,
            other => return Err(WordedError::Function(other.chars().take(40).collect())),
        })
    }

    fn weights(&self, inputs: usize, readings: &ReadingSpec) -> Result<Weights, WordedError> {
        if self.weights.len() != inputs {
            let weights = self.weights.len();
            return Err(WordedError::Count { weights, inputs });
        }
        // As many decimals as the finest of them needs.
        let decimals = self.weights.iter().map(|text| digits_after_point(text));
        let decimals = u8::try_from(decimals.max().unwrap_or(0)).unwrap_or(u8::MAX);
        let weights = self.weights.iter();
        let weights = weights.map(|text| scaled("weight", text, decimals));
        let intercept = match self.constant {
            None => 0,
            Some(text) => scaled("constant", text, decimals.saturating_add(readings.decimals))?,
        };
        Ok(Weights {
            weights: weights.collect::<Result<_, _>>()?,
            decimals,
            intercept,
        })
    }
}

fn digits_after_point(text: &str) -> usize {
    let part = text.trim().split_once('.').map_or("", |(_, part)| part);
    part.trim_end_matches('0').len()
}

fn scaled(what: &'static str, text: &str, decimals: u8) -> Result<i64, WordedError> {
    let number = parse_decimal(text.trim(), decimals);
    let number = number.map_err(|error| {
        let source = Box::new(error);
        WordedError::Number { what, source }
    })?;
    i64::try_from(number).map_err(|_| {
        let text = text.chars().take(40).collect();
        WordedError::Large { what, text }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(worded: Worded<'_>) -> Result<Function, WordedError> {
        let readings = ReadingSpec {
            decimals: 1,
            min: -400,
            max: 1250,
            edges: vec![],
            unit: String::new(),
        };
        worded.read(2, &readings)
    }

    #[test]
    fn weights_have_as_many_decimals_as_they_need() {
        let weights = ["0.25".to_owned(), "-1.50".to_owned()];
        let worded = |constant| Worded {
            function: "weighted-sum",
            weights: &weights,
            constant: Some(constant),
            ..Worded::default()
        };
        let expected = Weights {
            weights: vec![25, -150],
            decimals: 2,
            intercept: 3_125,
        };
        assert_eq!(read(worded("3.125")), Ok(Function::WeightedSum(expected)));
        assert!(read(worded("3.1255")).is_err());
        let one = Worded {
            function: "linear",
            weights: &weights[..1],
            ..Worded::default()
        };
        let error = read(one).unwrap_err().to_string();
        assert!(error.contains("1 weights for 2 topics"), "{error}");
        let long = [format!("0.{}1", "0".repeat(300)), "1".to_owned()];
        let finest = Worded {
            function: "linear",
            weights: &long,
            ..Worded::default()
        };
        assert!(read(finest).is_err());
    }

    #[test]
    fn every_name_is_read_as_itself_and_no_other() {
        let weights = ["1".to_owned(), "1".to_owned()];
        for name in [
            "sum",
            "mean",
            "weighted-sum",
            "linear",
            "variance",
            "deviation",
            "dot",
            "count-over",
            "histogram",
            "range",
        ] {
            let weighted = matches!(name, "weighted-sum" | "linear");
            let worded = Worded {
                function: name,
                threshold: (name == "count-over").then_some("-3.5"),
                weights: if weighted { &weights } else { &[] },
                constant: None,
            };
            assert_eq!(crate::plan::name(&read(worded).unwrap()), name);
        }
        let other = Worded {
            function: "Sum",
            ..Worded::default()
        };
        assert!(read(other).unwrap_err().to_string().contains("histogram"));
    }

    #[test]
    fn arguments_of_other_functions_are_refused() {
        let function = |function| Worded {
            function,
            ..Worded::default()
        };
        assert_eq!(read(function("count-over")), Err(WordedError::NoThreshold));
        let weights = ["1".to_owned()];
        let refused = [
            (
                Worded {
                    threshold: Some("1"),
                    ..function("sum")
                },
                WordedError::Threshold,
            ),
            (
                Worded {
                    weights: &weights,
                    ..function("mean")
                },
                WordedError::Weights,
            ),
            (
                Worded {
                    constant: Some("1"),
                    ..function("mean")
                },
                WordedError::Weights,
            ),
        ];
        for (worded, expected) in refused {
            assert_eq!(read(worded), Err(expected));
        }
        let over = |threshold| Worded {
            threshold: Some(threshold),
            ..function("count-over")
        };
        let threshold = Threshold { threshold: -35 };
        assert_eq!(read(over("-3.5")), Ok(Function::CountOver(threshold)));
        assert!(matches!(
            read(over("-3.55")),
            Err(WordedError::Number { .. })
        ));
        let large = "99999999999999999999";
        assert!(matches!(read(over(large)), Err(WordedError::Large { .. })));
    }
}
