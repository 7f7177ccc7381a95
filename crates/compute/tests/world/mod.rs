//! An owner, its key, devices that publish under it, and a gateway that evaluates: what tests share.
#![allow(dead_code)]

use rand::{SeedableRng as _, rngs::StdRng};
use sealwire_compute::{
    Answer, Encryptor, Evaluated, NewKey, OpenError, Origin, Refused, SecretKey, evaluate,
    generate, open, reading::Reading,
};
use sealwire_envelope::{
    Blob,
    compute::{
        COMPUTE_VERSION, ComputeJob, ComputeKey, Evaluation, Form, Function, InputDigest, JobInput,
        ParameterSet, ReadingBody, ReadingSpec, SignedReading, result_digest,
    },
};
use sealwire_sm::sm3;

/// Longest message of the tests' devices, in bytes: several parts a batch, for BFV.
pub const MESSAGE_BYTES: usize = 1024 * 1024;

pub struct World {
    pub new: NewKey,
    pub key: ComputeKey,
    pub encryptor: Encryptor,
    pub device: sealwire_sm::SecretKey,
    pub rng: StdRng,
    sequence: u64,
}

impl World {
    pub fn new(set: ParameterSet, readings: ReadingSpec, seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let new = generate(set, &mut rng);
        let key = ComputeKey {
            version: COMPUTE_VERSION,
            owner: "owner.acme".parse().unwrap(),
            parameters: set,
            readings,
            public: sm3(&[&new.public]),
            evaluation: new.evaluation.as_ref().map(|bytes| sm3(&[bytes])),
            sharing: None,
        };
        let encryptor = Encryptor::new(&key, &new.public).unwrap();
        let device = sealwire_sm::SecretKey::generate(&mut rng);
        Self {
            new,
            key,
            encryptor,
            device,
            rng,
            sequence: 1,
        }
    }

    pub fn secret(&self) -> &SecretKey {
        &self.new.secret
    }

    pub fn bodies(&mut self, input: usize, form: Form, values: &[i64]) -> Vec<ReadingBody> {
        let origin = Origin {
            topic: topic(input).parse().unwrap(),
            sender: format!("device-{input}.acme").parse().unwrap(),
            sequence: self.sequence,
        };
        let spec = &self.key.readings;
        let readings: Vec<Reading> = values
            .iter()
            .map(|value| Reading::from_scaled(*value, spec).unwrap())
            .collect();
        let bodies = self
            .encryptor
            .batch(&origin, form, &readings, MESSAGE_BYTES, &mut self.rng)
            .unwrap();
        self.sequence += bodies.len() as u64;
        bodies
    }

    pub fn payloads(&mut self, input: usize, form: Form, values: &[i64]) -> Vec<Vec<u8>> {
        let bodies = self.bodies(input, form, values);
        bodies.into_iter().map(|body| self.sign(body)).collect()
    }

    pub fn sign(&self, body: ReadingBody) -> Vec<u8> {
        SignedReading::sign(body, &self.device).to_bytes()
    }

    pub fn job(&self, function: Function, inputs: usize) -> ComputeJob {
        job(&self.key, function, inputs)
    }

    pub fn evaluate(
        &self,
        job: &ComputeJob,
        inputs: &[Vec<Vec<u8>>],
    ) -> Result<Evaluated, Refused> {
        let inputs: Vec<&[Vec<u8>]> = inputs.iter().map(Vec::as_slice).collect();
        evaluate(&self.key, self.new.evaluation.as_deref(), job, inputs)
    }

    pub fn open(&self, job: &ComputeJob, evaluated: &Evaluated) -> Result<Answer, OpenError> {
        let evaluation = evaluation(job, evaluated);
        open(
            self.secret(),
            &self.key,
            &evaluation,
            &evaluated.ciphertexts,
        )
    }

    /// From readings to an answer; `inputs` are batches of values.
    pub fn ask(&mut self, function: &Function, form: Form, inputs: &[Vec<Vec<i64>>]) -> Answer {
        let job = self.job(function.clone(), inputs.len());
        sealwire_compute::check(&self.key, &job).unwrap();
        let payloads: Vec<Vec<Vec<u8>>> = inputs
            .iter()
            .enumerate()
            .map(|(i, batches)| {
                batches
                    .iter()
                    .flat_map(|values| self.payloads(i, form, values))
                    .collect()
            })
            .collect();
        let evaluated = self.evaluate(&job, &payloads).unwrap();
        let counts: Vec<u64> = inputs
            .iter()
            .map(|batches| batches.iter().map(|values| values.len() as u64).sum())
            .collect();
        assert_eq!(evaluated.readings, counts);
        assert!(evaluated.skipped.iter().all(|skipped| skipped.is_empty()));
        self.open(&job, &evaluated).unwrap()
    }
}

pub fn job(key: &ComputeKey, function: Function, inputs: usize) -> ComputeJob {
    ComputeJob {
        version: COMPUTE_VERSION,
        key: key.id(),
        function,
        inputs: (0..inputs)
            .map(|i| JobInput {
                topic: topic(i).parse().unwrap(),
                from_ms: 0,
                to_ms: 1,
            })
            .collect(),
    }
}

pub fn topic(input: usize) -> String {
    format!("acme/line/{input}")
}

pub fn evaluation(job: &ComputeJob, evaluated: &Evaluated) -> Evaluation {
    Evaluation {
        version: COMPUTE_VERSION,
        evaluator: sealwire_compute::EVALUATOR,
        job: job.clone(),
        height: 7,
        inputs: evaluated
            .readings
            .iter()
            .map(|readings| InputDigest {
                packages: 1,
                root: sm3(&[]),
                readings: *readings,
            })
            .collect(),
        gateway: "gateway.acme".parse().expect("a client"),
        requester: "analyst.acme".parse().unwrap(),
        request: sm3(&[b"request"]),
        result: result_digest(&evaluated.ciphertexts),
        time_ms: 1,
    }
}

pub fn spec(decimals: u8, min: i64, max: i64, edges: &[i64]) -> ReadingSpec {
    ReadingSpec {
        decimals,
        min,
        max,
        edges: edges.to_vec(),
        unit: "°C".into(),
    }
}

pub fn blobs(bytes: &[&[u8]]) -> Vec<Blob> {
    bytes.iter().map(|bytes| Blob(bytes.to_vec())).collect()
}

pub fn elgamal() -> World {
    World::new(
        ParameterSet::Sm2ElgamalV1,
        spec(1, -400, 1250, &[0, 200]),
        11,
    )
}

pub fn additive() -> World {
    World::new(ParameterSet::BfvAddV1, spec(1, -400, 1250, &[0, 200]), 12)
}
