//! Keys that readings are encrypted to, devices that publish under them, and requests to the service.

use std::net::SocketAddr;

use sealwire_compute::{Answer, Encryptor, NewKey, Origin, generate, open, reading::Reading};
use sealwire_envelope::{
    Blob, Call, JobId, RegisterComputeKey, Rights, TopicName,
    compute::{
        COMPUTE_VERSION, ComputeJob, ComputeKey, Computed, Form, Function, JobInput, ParameterSet,
        ReadingSpec, SignedReading,
        service::{JobState, JobStatus, KeyHalf},
    },
    decode, encode,
    login::SignedRequest,
};
use sealwire_gateway::Running;
use sealwire_sm::sm3;

use super::{PATIENCE, Person, World, wire::Wire};

/// Longest message of the tests' devices, in bytes: a ciphertext of `bfv-add-v1` each.
pub const MESSAGE_BYTES: usize = 150_000;

/// A compute key with all its halves, on the ledger.
pub struct Made {
    pub new: NewKey,
    pub key: ComputeKey,
    pub owner: Person,
}

/// Readings from -40.0 to 125.0 with one decimal, bins from 0 and 20.
pub fn spec() -> ReadingSpec {
    ReadingSpec {
        decimals: 1,
        min: -400,
        max: 1_250,
        edges: vec![0, 200],
        unit: "°C".into(),
    }
}

impl Made {
    pub fn new(world: &World, owner: &Person, set: ParameterSet, readings: ReadingSpec) -> Self {
        let new = generate(set, &mut rand::rng());
        let key = ComputeKey {
            version: COMPUTE_VERSION,
            owner: owner.client.clone(),
            parameters: set,
            readings,
            public: sm3(&[&new.public]),
            evaluation: new.evaluation.as_ref().map(|bytes| sm3(&[bytes])),
            sharing: None,
        };
        let is_short = set == ParameterSet::Sm2ElgamalV1;
        let call = RegisterComputeKey {
            key: key.clone(),
            public_key: is_short.then(|| Blob(new.public.clone())),
        };
        world.ledger.call(owner, Call::RegisterComputeKey(call));
        Self {
            new,
            key,
            owner: owner.clone(),
        }
    }

    /// A batch of readings as messages of a device.
    pub fn messages(
        &self,
        device: &Person,
        topic: &TopicName,
        form: Form,
        sequence: u64,
        values: &[i64],
    ) -> Vec<Vec<u8>> {
        self.messages_of(device, topic, form, sequence, values, MESSAGE_BYTES)
    }

    /// As [`Made::messages`], of at most so many bytes each.
    pub fn messages_of(
        &self,
        device: &Person,
        topic: &TopicName,
        form: Form,
        sequence: u64,
        values: &[i64],
        limit_bytes: usize,
    ) -> Vec<Vec<u8>> {
        let spec = &self.key.readings;
        let readings: Vec<Reading> = values
            .iter()
            .map(|value| Reading::from_scaled(*value, spec).unwrap())
            .collect();
        let origin = Origin {
            topic: topic.clone(),
            sender: device.client.clone(),
            sequence,
        };
        let encryptor = Encryptor::new(&self.key, &self.new.public).unwrap();
        let bodies = encryptor
            .batch(&origin, form, &readings, limit_bytes, &mut rand::rng())
            .unwrap();
        let signed = bodies.into_iter();
        signed
            .map(|body| SignedReading::sign(body, &device.key).to_bytes())
            .collect()
    }

    pub fn job(&self, function: Function, topics: &[&TopicName]) -> ComputeJob {
        ComputeJob {
            version: COMPUTE_VERSION,
            key: self.key.id(),
            function,
            inputs: topics
                .iter()
                .map(|topic| JobInput {
                    topic: (*topic).clone(),
                    from_ms: 0,
                    to_ms: 1 << 50,
                })
                .collect(),
        }
    }

    pub fn open(&self, computed: &Computed) -> Answer {
        let Computed {
            evaluation,
            ciphertexts,
        } = computed;
        open(&self.new.secret, &self.key, evaluation, ciphertexts).unwrap()
    }

    pub async fn upload(&self, world: &World, gateway: &Running, half: KeyHalf) -> (u16, String) {
        let bytes = match half {
            KeyHalf::Public => self.new.public.clone(),
            KeyHalf::Evaluation => self.new.evaluation.clone().unwrap(),
        };
        let target = format!("/v1/compute/keys/{}/{}", self.key.id(), half.name());
        let at = gateway.http_addr;
        world.ask_text(at, &self.owner, "PUT", &target, bytes).await
    }
}

impl World {
    /// One signed request (or none signed): status and body.
    pub async fn ask(
        &self,
        at: SocketAddr,
        person: Option<&Person>,
        method: &str,
        target: &str,
        content: Vec<u8>,
    ) -> (u16, Vec<u8>) {
        let method: reqwest::Method = method.parse().unwrap();
        let mut request = reqwest::Client::new()
            .request(method.clone(), format!("http://{at}{target}"))
            .timeout(PATIENCE);
        if let Some(person) = person {
            let mut body = self.request(person, target);
            body.method = method.to_string();
            body.content = sm3(&[&content]);
            let signed = SignedRequest::sign(body, &person.key);
            request = request.header("Authorization", signed.to_header());
        }
        let response = request.body(content).send().await.unwrap();
        let status = response.status().as_u16();
        (status, response.bytes().await.unwrap().to_vec())
    }

    pub async fn ask_text(
        &self,
        at: SocketAddr,
        person: &Person,
        method: &str,
        target: &str,
        content: Vec<u8>,
    ) -> (u16, String) {
        let (status, body) = self.ask(at, Some(person), method, target, content).await;
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    /// A job that is taken.
    pub async fn ask_job(&self, gateway: &Running, person: &Person, job: &ComputeJob) -> JobId {
        let (status, text) = self.try_job(gateway, person, job).await;
        assert_eq!(status, 202, "{text}");
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        json["job"].as_str().unwrap().parse().unwrap()
    }

    pub async fn try_job(
        &self,
        gateway: &Running,
        person: &Person,
        job: &ComputeJob,
    ) -> (u16, String) {
        let at = gateway.http_addr;
        self.ask_text(at, person, "POST", "/v1/compute/jobs", encode(job))
            .await
    }

    pub async fn status(&self, gateway: &Running, person: &Person, job: JobId) -> JobStatus {
        let target = format!("/v1/compute/jobs/{job}");
        let asked = self.ask_text(gateway.http_addr, person, "GET", &target, Vec::new());
        let (status, text) = asked.await;
        assert_eq!(status, 200, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    /// Waits until a job is recorded or refused.
    pub async fn done(&self, gateway: &Running, person: &Person, job: JobId) -> JobStatus {
        let start = tokio::time::Instant::now();
        loop {
            let status = self.status(gateway, person, job).await;
            if status.state.is_final() {
                return status;
            }
            assert!(start.elapsed() < PATIENCE, "in vain: {status:?}");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    pub async fn result(&self, gateway: &Running, person: &Person, job: JobId) -> Computed {
        let target = format!("/v1/compute/jobs/{job}/result");
        let at = gateway.http_addr;
        let (status, body) = self.ask(at, Some(person), "GET", &target, Vec::new()).await;
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
        decode(&body).unwrap()
    }

    /// From a job to its result, which must be recorded.
    pub async fn compute(
        &self,
        gateway: &Running,
        person: &Person,
        job: &ComputeJob,
    ) -> (JobStatus, Computed) {
        let id = self.ask_job(gateway, person, job).await;
        let status = self.done(gateway, person, id).await;
        assert_eq!(status.state, JobState::Recorded, "{status:?}");
        let computed = self.result(gateway, person, id).await;
        assert_eq!(Some(computed.evaluation.id()), status.evaluation);
        (status, computed)
    }

    /// An open topic of a device on which somebody else may compute.
    pub fn open_topic(&self, device: &Person, name: &str, requester: &Person) -> TopicName {
        let topic = device.topic(name);
        self.register(device, &topic, None);
        self.grant(device, &topic, requester, Rights::COMPUTE, None);
        topic
    }

    /// Messages of a device, acknowledged.
    pub async fn publish(
        &self,
        gateway: &Running,
        device: &Person,
        topic: &TopicName,
        messages: &[Vec<u8>],
    ) {
        let mut wire = Wire::login(self, gateway.mqtt_addr, device).await;
        for message in messages {
            let (code, text) = wire.publish(topic.as_str(), message).await;
            assert_eq!(code, mqtt5::types::ReasonCode::Success, "{text}");
        }
    }
}
