//! Answers: exact decimals, held against what is possible for so many readings within their bounds.

use std::fmt;

use num_bigint::BigInt;
use sealwire_envelope::compute::{ComputeKey, Evaluation, Function, ReadingSpec, Weights};
use serde::Serialize;

use crate::{
    open::{OpenError, counts},
    plan::Kind,
    reading::Decimal,
};

/// Digits that a quotient or a root has more than the readings (a variance: than their squares).
pub const ROUNDED_DECIMALS: u32 = 6;

/// What was computed, in the clear.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// The value.
    #[serde(flatten)]
    pub value: Value,
    /// How many readings are in it, all inputs together.
    pub readings: u64,
    /// The readings' unit (of a dot product: its square; none for a count).
    pub unit: String,
}

/// A function's value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "function", rename_all = "kebab-case")]
pub enum Value {
    /// Exact.
    Sum {
        /// Of all readings.
        sum: Decimal,
    },
    /// Rounded, half away from zero; the exact mean is `sum / readings`.
    Mean {
        /// Of all readings.
        sum: Decimal,
        /// Their mean.
        mean: Rounded,
    },
    /// Exact, with the intercept.
    WeightedSum {
        /// Of the inputs.
        sum: Decimal,
    },
    /// Exact.
    Linear {
        /// One for each row of readings.
        rows: Vec<Decimal>,
    },
    /// Of the population (divided by the number of readings); rounded, half away from zero.
    Variance(Spread),
    /// The root of the variance of the population; rounded, half away from zero.
    Deviation {
        /// What it is computed from.
        #[serde(flatten)]
        spread: Spread,
        /// Standard deviation.
        deviation: Rounded,
    },
    /// Exact.
    Dot {
        /// The sum of the products.
        dot: Decimal,
    },
    /// Exact.
    CountOver {
        /// The threshold.
        threshold: Decimal,
        /// How many readings are above it.
        count: u64,
    },
    /// Exact.
    Histogram {
        /// All bins, the lowest first.
        bins: Vec<Bin>,
    },
    /// The bins of the smallest and of the largest reading.
    Range {
        /// The smallest reading is in it.
        lowest: Bin,
        /// The largest reading is in it.
        highest: Bin,
    },
}

/// First and second moments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Spread {
    /// Of the readings.
    pub sum: Decimal,
    /// Of their squares.
    pub sum_of_squares: Decimal,
    /// Of the readings.
    pub mean: Rounded,
    /// Of the population.
    pub variance: Rounded,
}

/// A bin of a histogram.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bin {
    /// The smallest reading that is in it.
    pub from: Decimal,
    /// The largest reading that is in it.
    pub to: Decimal,
    /// How many readings are.
    pub count: u64,
}

/// A quotient or a root, rounded half away from zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Rounded {
    /// To [`ROUNDED_DECIMALS`] more digits.
    pub value: Decimal,
    /// Whether nothing was lost.
    pub exact: bool,
}
/// The answer that a result's numbers are.
pub(crate) fn of(
    key: &ComputeKey,
    evaluation: &Evaluation,
    numbers: &[i64],
) -> Result<Answer, OpenError> {
    let (readings, _) = counts(evaluation);
    let opened = Opened {
        spec: &key.readings,
        evaluation,
        numbers,
        readings,
    };
    let value = opened.value()?;
    let unit = match Kind::of(&evaluation.job.function) {
        Kind::Dot if !key.readings.unit.is_empty() => format!("({})²", key.readings.unit),
        Kind::Count => String::new(),
        _ => key.readings.unit.clone(),
    };
    Ok(Answer {
        value,
        readings,
        unit,
    })
}

struct Opened<'a> {
    spec: &'a ReadingSpec,
    evaluation: &'a Evaluation,
    numbers: &'a [i64],
    readings: u64,
}

impl Opened<'_> {
    fn value(&self) -> Result<Value, OpenError> {
        let (spec, first) = (self.spec, self.numbers.first().copied().unwrap_or(0));
        let decimals = u32::from(spec.decimals);
        let exact = |value: i64, decimals: u32| Decimal::new(value.into(), decimals);
        Ok(match &self.evaluation.job.function {
            Function::Sum => Value::Sum {
                sum: self.sum(first)?,
            },
            Function::Mean => {
                let sum = self.sum(first)?;
                let mean = quotient(&sum.value.into(), self.readings.into(), decimals);
                Value::Mean { sum, mean }
            }
            Function::WeightedSum(weights) => {
                let times = |input: usize| self.evaluation.inputs[input].readings;
                self.weighted(weights, first.into(), times, "a weighted sum")?;
                let sum = i128::from(first) + i128::from(weights.intercept);
                let sum = Decimal::new(sum, decimals + u32::from(weights.decimals));
                Value::WeightedSum { sum }
            }
            Function::Linear(weights) => {
                let decimals = decimals + u32::from(weights.decimals);
                for row in self.numbers {
                    let row = i128::from(*row) - i128::from(weights.intercept);
                    self.weighted(weights, row, |_| 1, "a row")?;
                }
                let rows = self.numbers.iter().map(|row| exact(*row, decimals));
                Value::Linear {
                    rows: rows.collect(),
                }
            }
            Function::Variance => Value::Variance(self.spread()?),
            Function::Deviation => {
                let spread = self.spread()?;
                let deviation = self.deviation(&spread);
                Value::Deviation { spread, deviation }
            }
            Function::Dot => {
                let [low, high] = self.squares(spec.min, spec.max);
                let each = self
                    .evaluation
                    .inputs
                    .first()
                    .map_or(0, |input| input.readings);
                self.within(first.into(), low, high, each, "a dot product")?;
                Value::Dot {
                    dot: exact(first, 2 * decimals),
                }
            }
            Function::CountOver(threshold) => {
                self.within(first.into(), 0, 1, self.readings, "a count")?;
                let threshold = exact(threshold.threshold, decimals);
                Value::CountOver {
                    threshold,
                    count: first.unsigned_abs(),
                }
            }
            Function::Histogram => Value::Histogram { bins: self.bins()? },
            Function::Range => {
                let bins = self.bins()?;
                let mut filled = bins.into_iter().filter(|bin| bin.count > 0);
                let impossible = self.impossible("no bin");
                let lowest = filled.next().ok_or(impossible)?;
                let highest = filled.next_back().unwrap_or_else(|| lowest.clone());
                Value::Range { lowest, highest }
            }
        })
    }

    fn impossible(&self, what: &'static str) -> OpenError {
        OpenError::Impossible {
            what,
            readings: self.readings,
        }
    }

    /// Whether `value` is from `times * low` to `times * high`.
    fn within(
        &self,
        value: i128,
        low: i128,
        high: i128,
        times: u64,
        what: &'static str,
    ) -> Result<(), OpenError> {
        let times = i128::from(times);
        if (times.saturating_mul(low)..=times.saturating_mul(high)).contains(&value) {
            Ok(())
        } else {
            Err(self.impossible(what))
        }
    }

    fn sum(&self, sum: i64) -> Result<Decimal, OpenError> {
        let (min, max) = (self.spec.min.into(), self.spec.max.into());
        self.within(sum.into(), min, max, self.readings, "a sum")?;
        Ok(Decimal::new(sum.into(), self.spec.decimals.into()))
    }

    /// Whether a weighted sum without its intercept can be.
    fn weighted(
        &self,
        weights: &Weights,
        sum: i128,
        times: impl Fn(usize) -> u64,
        what: &'static str,
    ) -> Result<(), OpenError> {
        let (mut low, mut high) = (0i128, 0i128);
        for (input, weight) in weights.weights.iter().enumerate() {
            let ends = [self.spec.min, self.spec.max].map(|end| {
                let product = i128::from(*weight) * i128::from(end);
                product.saturating_mul(times(input).into())
            });
            low = low.saturating_add(ends[0].min(ends[1]));
            high = high.saturating_add(ends[0].max(ends[1]));
        }
        if (low..=high).contains(&sum) {
            Ok(())
        } else {
            Err(self.impossible(what))
        }
    }

    /// Smallest and largest product of two readings.
    fn squares(&self, min: i64, max: i64) -> [i128; 2] {
        let (min, max) = (i128::from(min), i128::from(max));
        let products = [min * min, min * max, max * max];
        let least = products.iter().min().copied().unwrap_or(0);
        [least, products[0].max(products[2])]
    }

    fn spread(&self) -> Result<Spread, OpenError> {
        let [sum, squares] = self.numbers else {
            return Err(self.impossible("a number of moments"));
        };
        let (decimals, n) = (u32::from(self.spec.decimals), BigInt::from(self.readings));
        let [_, high] = self.squares(self.spec.min, self.spec.max);
        self.within(
            (*squares).into(),
            0,
            high,
            self.readings,
            "a sum of squares",
        )?;
        // n² times the variance: n times the sum of squares, less the sum's square.
        let scaled = &n * squares - BigInt::from(*sum) * sum;
        if scaled < BigInt::ZERO {
            return Err(self.impossible("a variance"));
        }
        let sum = self.sum(*sum)?;
        Ok(Spread {
            mean: quotient(&sum.value.into(), n.clone(), decimals),
            variance: quotient(&scaled, &n * &n, 2 * decimals),
            sum,
            sum_of_squares: Decimal::new((*squares).into(), 2 * decimals),
        })
    }

    fn deviation(&self, spread: &Spread) -> Rounded {
        let n = BigInt::from(self.readings);
        let (sum, squares) = (spread.sum.value, spread.sum_of_squares.value);
        let scale = BigInt::from(10u8).pow(2 * ROUNDED_DECIMALS);
        let scaled = (&n * squares - BigInt::from(sum) * sum) * scale;
        // The largest r with r² n² <= scaled, and one more from half a unit on.
        let square = &n * &n;
        let mut root = (&scaled / &square).sqrt();
        let exact = &root * &root * &square == scaled;
        let twice: BigInt = &root * 2 + 1;
        if &twice * &twice * &square <= scaled * 4 {
            root += 1;
        }
        rounded(&root, u32::from(self.spec.decimals), exact)
    }

    fn bins(&self) -> Result<Vec<Bin>, OpenError> {
        let (edges, decimals) = (&self.spec.edges, u32::from(self.spec.decimals));
        let mut all = 0i128;
        let mut bins = Vec::with_capacity(self.numbers.len());
        for (i, number) in self.numbers.iter().enumerate() {
            self.within((*number).into(), 0, 1, self.readings, "a count")?;
            all += i128::from(*number);
            let from = if i == 0 { self.spec.min } else { edges[i - 1] };
            let to = edges.get(i).map_or(self.spec.max, |edge| edge - 1);
            bins.push(Bin {
                from: Decimal::new(from.into(), decimals),
                to: Decimal::new(to.into(), decimals),
                count: number.unsigned_abs(),
            });
        }
        self.within(all, 1, 1, self.readings, "a number of readings in all bins")?;
        Ok(bins)
    }
}

/// `value / by`, with [`ROUNDED_DECIMALS`] more digits.
fn quotient(value: &BigInt, by: BigInt, decimals: u32) -> Rounded {
    if by == BigInt::ZERO {
        return rounded(&BigInt::ZERO, decimals, false);
    }
    let scaled = value * BigInt::from(10u8).pow(ROUNDED_DECIMALS);
    let exact = &scaled % &by == BigInt::ZERO;
    let half = if scaled < BigInt::ZERO {
        -by.clone()
    } else {
        by.clone()
    };
    rounded(&((scaled * 2 + half) / (by * 2)), decimals, exact)
}

/// A decimal without the zeros that rounding would have filled.
fn rounded(value: &BigInt, decimals: u32, exact: bool) -> Rounded {
    let mut value = i128::try_from(value).unwrap_or(i128::MAX);
    let mut more = ROUNDED_DECIMALS;
    while exact && more > 0 && value % 10 == 0 {
        value /= 10;
        more -= 1;
    }
    Rounded {
        value: Decimal::new(value, decimals + more),
        exact,
    }
}

impl fmt::Display for Rounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let about = if self.exact { "" } else { "≈ " };
        write!(f, "{about}{}", self.value)
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = if self.unit.is_empty() {
            String::new()
        } else {
            format!(" {}", self.unit)
        };
        let readings = self.readings;
        match &self.value {
            Value::Sum { sum } => write!(f, "sum {sum}{unit} over {readings} readings"),
            Value::Mean { sum, mean } => {
                write!(f, "mean {mean}{unit} over {readings} readings (sum {sum})")
            }
            Value::WeightedSum { sum } => {
                write!(f, "weighted sum {sum}{unit} over {readings} readings")
            }
            Value::Linear { rows } => {
                write!(f, "linear model, {} rows:", rows.len())?;
                rows.iter().try_for_each(|row| write!(f, "\n{row}{unit}"))
            }
            Value::Variance(spread) => {
                let (variance, mean) = (&spread.variance, &spread.mean);
                let unit = if unit.is_empty() {
                    unit
                } else {
                    format!(" ({})²", self.unit)
                };
                write!(
                    f,
                    "variance {variance}{unit} over {readings} readings (mean {mean})"
                )
            }
            Value::Deviation { spread, deviation } => {
                let mean = &spread.mean;
                write!(
                    f,
                    "standard deviation {deviation}{unit} over {readings} readings (mean {mean})"
                )
            }
            Value::Dot { dot } => write!(f, "dot product {dot}{unit} over {readings} readings"),
            Value::CountOver { threshold, count } => {
                write!(f, "{count} of {readings} readings above {threshold}")
            }
            Value::Histogram { bins } => {
                write!(f, "histogram of {readings} readings:")?;
                bins.iter().try_for_each(|bin| {
                    write!(f, "\n{} to {}{unit}: {}", bin.from, bin.to, bin.count)
                })
            }
            Value::Range { lowest, highest } => write!(
                f,
                "smallest from {} to {}{unit}, largest from {} to {}{unit}, over {readings} readings",
                lowest.from, lowest.to, highest.from, highest.to
            ),
        }
    }
}
