//! The work that benchmarks time, prepared and ready to run: `sealwire bench compute` brings the clock.
//!
//! Every [`Task`] does one thing with data that was made beforehand, so that whoever calls
//! [`Task::run`] measures that thing alone. Results are checked: a task that comes to something wrong
//! panics rather than being fast.

use rand_core::CryptoRng;
use sealwire_envelope::{
    Blob,
    compute::{
        COMPUTE_VERSION, ComputeJob, ComputeKey, Evaluation, Form, Function, InputDigest, JobInput,
        ParameterSet, ReadingSpec, SignedReading, Threshold, result_digest,
    },
};
use sealwire_sm::{Signature, sm3};

use crate::{
    answer::Value,
    elgamal,
    evaluate::{EVALUATOR, Evaluated, evaluate},
    open::open,
    reading::Reading,
    scheme::{self, Encryptor, NewKey, Origin},
};

/// Readings of one batch of `bfv-add-v1`: as many as a ciphertext has slots.
const PACKED: usize = 4096;

/// Something to time.
pub struct Task {
    /// Which scheme: a parameter set's name.
    pub set: &'static str,
    /// What is done.
    pub what: &'static str,
    /// How often in one run: readings, or ciphertexts.
    pub count: u64,
    /// Of what `count` is.
    pub unit: &'static str,
    /// The most that one run should take on one core, in microseconds, where there is a target.
    pub target_us: Option<u64>,
    work: Box<dyn FnMut() + Send>,
}

impl std::fmt::Debug for Task {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Task({} {} {})", self.set, self.what, self.count)
    }
}

impl Task {
    /// Does it once.
    ///
    /// # Panics
    /// When the result is wrong.
    pub fn run(&mut self) {
        (self.work)();
    }
}

struct Bench {
    new: NewKey,
    key: ComputeKey,
    encryptor: Encryptor,
    sequence: u64,
}

/// Smallest and largest reading of the work, in steps of the last decimal.
pub const BOUNDS: (i64, i64) = (-400, 1250);
/// Threshold of the count, in steps of the last decimal.
pub const THRESHOLD: i64 = 299;
/// Ciphertexts of `bfv-add-v1` that are added again and again: as many as no cache holds.
const ADDED: usize = 250;
const MIN: i64 = BOUNDS.0;
const MAX: i64 = BOUNDS.1;

/// Readings that look like something: between -40.0 and 125.0.
fn value(i: usize) -> i64 {
    MIN + (i as i64 * 7_919) % (MAX - MIN + 1)
}

fn values(count: usize) -> Vec<i64> {
    (0..count).map(value).collect()
}

impl Bench {
    fn new<R: CryptoRng>(set: ParameterSet, rng: &mut R) -> Self {
        let new = scheme::generate(set, rng);
        let key = ComputeKey {
            version: COMPUTE_VERSION,
            owner: "owner.bench".parse().expect("a client"),
            parameters: set,
            readings: ReadingSpec {
                decimals: 1,
                min: MIN,
                max: MAX,
                edges: vec![0, 250, 500],
                unit: String::new(),
            },
            public: sm3(&[&new.public]),
            evaluation: new.evaluation.as_ref().map(|bytes| sm3(&[bytes])),
            sharing: None,
        };
        let encryptor = Encryptor::new(&key, &new.public).expect("its own key");
        Self {
            new,
            key,
            encryptor,
            sequence: 1,
        }
    }

    fn name(&self) -> &'static str {
        crate::parameters::name(self.key.parameters)
    }

    fn readings(&self, count: usize) -> Vec<Reading> {
        let read = |value| Reading::from_scaled(value, &self.key.readings).expect("in bounds");
        values(count).into_iter().map(read).collect()
    }

    fn encrypt<R: CryptoRng>(&self, form: Form, count: usize, rng: &mut R) -> Vec<Blob> {
        self.encryptor
            .encrypt(form, &self.readings(count), rng)
            .expect("in bounds")
    }

    /// `count` readings in messages of `batch` readings each; unsigned, for signatures aren't
    /// this crate's work.
    fn payloads<R: CryptoRng>(
        &mut self,
        form: Form,
        count: usize,
        batch: usize,
        rng: &mut R,
    ) -> Vec<Vec<u8>> {
        let readings = self.readings(count);
        let mut payloads = Vec::new();
        for chunk in readings.chunks(batch) {
            let origin = Origin {
                topic: "bench/readings".parse().expect("a topic"),
                sender: "device.bench".parse().expect("a client"),
                sequence: self.sequence,
            };
            let bodies = self.encryptor.batch(&origin, form, chunk, 16 << 20, rng);
            for body in bodies.expect("in bounds") {
                self.sequence += 1;
                payloads.push(
                    SignedReading {
                        body,
                        signature: Signature([0; 64]),
                    }
                    .to_bytes(),
                );
            }
        }
        payloads
    }

    fn job(&self, function: Function) -> ComputeJob {
        let topic = "bench/readings".parse().expect("a topic");
        ComputeJob {
            version: COMPUTE_VERSION,
            key: self.key.id(),
            function,
            inputs: vec![JobInput {
                topic,
                from_ms: 0,
                to_ms: 1,
            }],
        }
    }

    fn evaluate(&self, job: &ComputeJob, payloads: &[Vec<u8>]) -> Evaluated {
        let evaluation_key = self.new.evaluation.as_deref();
        evaluate(&self.key, evaluation_key, job, vec![payloads]).expect("a job within bounds")
    }

    fn open(&self, job: &ComputeJob, evaluated: &Evaluated) -> Value {
        let root = sm3(&[]);
        let digest = |readings: &u64| InputDigest {
            packages: 1,
            root,
            readings: *readings,
        };
        let evaluation = Evaluation {
            version: COMPUTE_VERSION,
            evaluator: EVALUATOR,
            job: job.clone(),
            height: 1,
            inputs: evaluated.readings.iter().map(digest).collect(),
            gateway: "gateway.acme".parse().expect("a client"),
            requester: "requester.bench".parse().expect("a client"),
            request: root,
            result: result_digest(&evaluated.ciphertexts),
            time_ms: 0,
        };
        let answer = open(
            &self.new.secret,
            &self.key,
            &evaluation,
            &evaluated.ciphertexts,
        );
        answer.expect("an honest result").value
    }
}

/// Whether a value is what plain arithmetic says of the first `count` readings.
fn right(value: &Value, count: usize) -> bool {
    let all = values(count);
    let total = || all.iter().map(|x| i128::from(*x)).sum::<i128>();
    match value {
        Value::Sum { sum } => sum.value == total(),
        Value::Variance(spread) => {
            let squares = all.iter().map(|x| i128::from(*x).pow(2)).sum::<i128>();
            spread.sum.value == total() && spread.sum_of_squares.value == squares
        }
        Value::CountOver { threshold, count } => {
            let above = all.iter().filter(|x| i128::from(**x) > threshold.value);
            *count == above.count() as u64
        }
        _ => false,
    }
}

/// All tasks, with random sources from `rng`. Making their data takes about a minute: a hundred
/// thousand ElGamal ciphertexts are encrypted one by one.
pub fn tasks<R: CryptoRng + Send + 'static>(rng: impl Fn() -> R) -> Vec<Task> {
    elgamal::prepare();
    let mut tasks = elgamal_tasks(&rng);
    tasks.extend(additive_tasks(&rng));
    tasks.extend(multiplying_tasks(&rng));
    tasks.extend(comparing_tasks(&rng));
    tasks
}

fn task(
    bench: &Bench,
    what: &'static str,
    count: usize,
    unit: &'static str,
    target_us: Option<u64>,
    work: impl FnMut() + Send + 'static,
) -> Task {
    let (set, count, work) = (bench.name(), count as u64, Box::new(work));
    Task {
        set,
        what,
        count,
        unit,
        target_us,
        work,
    }
}

/// A task that evaluates payloads, and one that opens the result. Checks the result once.
fn evaluation_tasks(
    bench: &'static Bench,
    what: &'static str,
    count: usize,
    target_us: Option<u64>,
    function: Function,
    payloads: Vec<Vec<u8>>,
) -> [Task; 2] {
    let job = bench.job(function);
    let evaluated = bench.evaluate(&job, &payloads);
    assert!(
        right(&bench.open(&job, &evaluated), count),
        "{what} is wrong"
    );
    let results = evaluated.ciphertexts.len();
    let again = job.clone();
    let expected = evaluated.clone();
    [
        task(bench, what, count, "readings", target_us, move || {
            assert_eq!(bench.evaluate(&again, &payloads), expected);
        }),
        task(bench, "open", results, "ciphertexts", None, move || {
            bench.open(&job, &evaluated);
        }),
    ]
}

/// Tasks outlive the function that prepares them, and share their keys for the program's life.
fn leak(bench: Bench) -> &'static Bench {
    Box::leak(Box::new(bench))
}

fn encrypt_task<R: CryptoRng + Send + 'static>(
    bench: &'static Bench,
    form: Form,
    count: usize,
    mut rng: R,
) -> Task {
    let readings = bench.readings(count);
    task(bench, "encrypt", count, "readings", None, move || {
        bench
            .encryptor
            .encrypt(form, &readings, &mut rng)
            .expect("in bounds");
    })
}

fn elgamal_tasks<R: CryptoRng + Send + 'static>(source: &impl Fn() -> R) -> Vec<Task> {
    let rng = &mut source();
    let mut bench = Bench::new(ParameterSet::Sm2ElgamalV1, rng);
    let single = bench.payloads(Form::Value, 100_000, 1, rng);
    let bench = leak(bench);
    let ciphertexts: Vec<elgamal::Ciphertext> = single
        .iter()
        .map(|payload| {
            let reading = SignedReading::from_bytes(payload, payload.len()).expect("a payload");
            elgamal::Ciphertext::from_bytes(&reading.body.ciphertexts[0]).expect("a ciphertext")
        })
        .collect();
    let secret = bench.new.secret.elgamal().expect("an ElGamal key");
    let total = values(100_000).iter().sum::<i64>();
    assert_eq!(secret.open(&elgamal::sum(&ciphertexts)), Some(total));
    let (thousand, few) = (ciphertexts[..1_000].to_vec(), ciphertexts[..1_000].to_vec());
    let mut tasks = vec![
        encrypt_task(bench, Form::Value, 1_000, source()),
        task(bench, "add", 1_000, "ciphertexts", None, move || {
            elgamal::sum(&thousand);
        }),
        task(
            bench,
            "add",
            100_000,
            "ciphertexts",
            Some(150_000),
            move || {
                elgamal::sum(&ciphertexts);
            },
        ),
        task(
            bench,
            "multiply by a number",
            1_000,
            "ciphertexts",
            None,
            move || {
                elgamal::multiply_all(&few, 1_000_003);
            },
        ),
    ];
    let target = Some(2_000_000);
    tasks.extend(evaluation_tasks(
        bench,
        "sum, one a message",
        100_000,
        target,
        Function::Sum,
        single,
    ));
    tasks
}

fn additive_tasks<R: CryptoRng + Send + 'static>(source: &impl Fn() -> R) -> Vec<Task> {
    let rng = &mut source();
    let mut bench = Bench::new(ParameterSet::BfvAddV1, rng);
    let packed = bench.payloads(Form::Value, 100_000, PACKED, rng);
    let thousand = bench.payloads(Form::Value, 1_000 * 16, 16, rng);
    let bench = leak(bench);
    let mut tasks = vec![encrypt_task(bench, Form::Value, PACKED, source())];
    tasks.extend([1_000, 100_000].map(|count| add_task(bench, count, rng)));
    let target = Some(100_000);
    tasks.extend(evaluation_tasks(
        bench,
        "sum, packed",
        100_000,
        target,
        Function::Sum,
        packed,
    ));
    let sixteen = evaluation_tasks(
        bench,
        "sum, 16 a message",
        16_000,
        None,
        Function::Sum,
        thousand,
    );
    tasks.extend(sixteen.into_iter().take(1));
    tasks
}

fn add_task<R: CryptoRng>(bench: &'static Bench, count: usize, rng: &mut R) -> Task {
    let ring = crate::bfv::Ring::of(bench.key.parameters).expect("a BFV set");
    let encrypted = (0..ADDED).map(|_| bench.encrypt(Form::Value, PACKED, rng).remove(0));
    let ciphertexts: Vec<crate::bfv::Ciphertext> = encrypted
        .map(|bytes| crate::bfv::Ciphertext::from_bytes(ring, &bytes).expect("its own"))
        .collect();
    task(bench, "add", count, "ciphertexts", None, move || {
        let mut total = crate::bfv::Ciphertext::zero(ring);
        for ciphertext in ciphertexts.iter().cycle().take(count) {
            total.add(ciphertext, ring);
        }
        std::hint::black_box(&total);
    })
}

fn multiplying_tasks<R: CryptoRng + Send + 'static>(source: &impl Fn() -> R) -> Vec<Task> {
    let rng = &mut source();
    let mut bench = Bench::new(ParameterSet::BfvMulV1, rng);
    let one = bench.payloads(Form::Value, 8_192, 8_192, rng);
    let eight = bench.payloads(Form::Value, 8 * 4_096, 4_096, rng);
    let bench = leak(bench);
    let ring = crate::bfv::Ring::of(bench.key.parameters).expect("a BFV set");
    let key = bench.new.evaluation.as_deref().expect("an evaluation key");
    let key = crate::bfv::Evaluation::from_bytes(ring, key).expect("its own key");
    let ciphertext = bench.encrypt(Form::Value, 8_192, rng).remove(0);
    let ciphertext = crate::bfv::Ciphertext::from_bytes(ring, &ciphertext).expect("its own");
    let mut tasks = vec![
        encrypt_task(bench, Form::Value, 8_192, source()),
        task(bench, "multiply", 1, "ciphertexts", None, move || {
            let mut products = crate::bfv::Products::none(ring);
            products.add(&ciphertext.extend(ring), &ciphertext.extend(ring));
            products.finish(&key);
        }),
    ];
    let variance = Function::Variance;
    let eight = evaluation_tasks(
        bench,
        "variance",
        8 * 4_096,
        Some(150_000),
        variance.clone(),
        eight,
    );
    tasks.extend(eight);
    let one = evaluation_tasks(bench, "variance", 8_192, None, variance, one);
    tasks.extend(one.into_iter().take(1));
    tasks
}

fn comparing_tasks<R: CryptoRng + Send + 'static>(source: &impl Fn() -> R) -> Vec<Task> {
    let rng = &mut source();
    let mut bench = Bench::new(ParameterSet::BfvBitsV1, rng);
    let full = bench.payloads(Form::Bits, 8_192, 8_192, rng);
    let bench = leak(bench);
    let count = Function::CountOver(Threshold {
        threshold: THRESHOLD,
    });
    let mut tasks = vec![encrypt_task(bench, Form::Bits, 8_192, source())];
    // 50 microseconds a reading.
    let target = Some(50 * 8_192);
    tasks.extend(evaluation_tasks(
        bench,
        "count over a threshold",
        8_192,
        target,
        count,
        full,
    ));
    tasks
}
