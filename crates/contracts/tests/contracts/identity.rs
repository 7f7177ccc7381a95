//! The life of certificates: enrolled by code, renewed, suspended, resumed, revoked, and asked about
//! at every height; each step with what it must refuse.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use sealwire_contracts::entry::{CertificateEntry, CertificateStatus, EnrolmentStatus};
use sealwire_contracts::{Action, Code, Page, Reason, keys, limits, superseded};
use sealwire_envelope::*;
use sealwire_sm::cert::{Certificate, Role};
use sealwire_sm::{SecretKey, sm3};

use crate::codes::Case;
use crate::world::*;

/// Seconds after the start at which ordinary certificates may be renewed: the last third has begun.
pub const TO_RENEWAL_S: u64 = 700_000;

pub fn renew(new: &Certificate) -> Call {
    Call::RenewCertificate(RenewCertificate {
        der: new.der().into(),
    })
}

pub fn suspend(certificate: CertId) -> Call {
    Call::SuspendCertificate(SuspendCertificate {
        certificate,
        reason: "odd traffic".into(),
    })
}

pub fn resume(certificate: CertId) -> Call {
    Call::ResumeCertificate(ResumeCertificate {
        certificate,
        reason: "explained".into(),
    })
}

pub fn template(role: Role, validity_max_s: u64, renewal_s: u64) -> Call {
    let template = Template {
        validity_max_s,
        renewal_s,
    };
    Call::SetTemplate(SetTemplate { role, template })
}

/// The key of the code with this number.
fn code_key(number: u8) -> SecretKey {
    DeviceCode::from_secret(CodeKind::Enrolment, [number; 16]).key()
}

/// The envelope's code: `Code` is the outcome's here.
type DeviceCode = sealwire_envelope::code::Code;
use sealwire_envelope::code::CodeKind;

/// Opens enrolments for (client, role, number of the code), for a thousand seconds.
pub fn open(world: &World, items: &[(&str, Role, u8)]) -> Call {
    let expires_s = world.now_s() + 1_000;
    let enrolments = items.iter().map(|(name, role, number)| Enrolment {
        client: client(name),
        role: *role,
        key: code_key(*number).public_key().clone(),
        expires_s,
    });
    let enrolments = enrolments.collect();
    Call::OpenEnrolments(OpenEnrolments { enrolments })
}

fn enrolment(number: u8) -> EnrolmentId {
    EnrolmentId::of(code_key(number).public_key())
}

pub fn close(numbers: &[u8]) -> Call {
    let enrolments = numbers.iter().copied().map(enrolment).collect();
    Call::CloseEnrolments(CloseEnrolments { enrolments })
}

/// Registers with the proof that a device with this code makes.
fn register_by(world: &World, number: u8, new: &Certificate) -> Call {
    let chain = world.genesis.chain_id();
    let proof = EnrolmentProof::sign(
        &chain,
        &client(&new.name),
        &new.public_key,
        &code_key(number),
    );
    register_with(proof, new)
}

fn register_with(proof: EnrolmentProof, new: &Certificate) -> Call {
    Call::RegisterCertificate(RegisterCertificate {
        der: new.der().into(),
        enrolment: Some(proof),
    })
}

fn entry(world: &World, id: &CertId) -> CertificateEntry {
    world.view.certificate(id).value.unwrap().certificate
}

fn status(world: &World, name: &str) -> CertificateStatus {
    world.view.client(&client(name)).value.unwrap().status
}

#[test]
fn a_whole_life() {
    let mut world = World::new();
    let call = open(&world, &[("acme.press", Role::Device, 1)]);
    world.must("acme.op", call);
    let first = world.certify("acme.press", Role::Device, VALID_S);
    let call = register_by(&world, 1, &first);
    world.must("acme.op", call);
    world
        .certificates
        .insert("acme.press".into(), first.clone());
    let first_id = CertId(first.id());
    let used = world.view.enrolment(&enrolment(1)).value.unwrap();
    assert_eq!(used.status, EnrolmentStatus::Used);
    assert_eq!(used.enrolment.used.unwrap().certificate, first_id);

    world.skip_s += TO_RENEWAL_S;
    let second = world.certify("acme.press", Role::Device, (VALID_S.0, VALID_S.1 + 500));
    world.must("acme.press", renew(&second));
    let second_id = CertId(second.id());
    let old = entry(&world, &first_id).revoked.unwrap();
    assert_eq!(old.reason, superseded(&second_id));
    assert_eq!(old.by, client("acme.press"));
    let held = world.view.client(&client("acme.press")).value.unwrap();
    assert_eq!(held.certificate_id, second_id);
    // The old certificate is done: it can't even be used to renew once more.
    let third = world.certify("acme.press", Role::Device, (VALID_S.0, VALID_S.1 + 900));
    let outcome = world.run("acme.press", renew(&third));
    assert_eq!(outcome.code, Code::SenderRevoked);
    world.certificates.insert("acme.press".into(), second);

    let connect = |world: &World| {
        let who = client("acme.press");
        let decision = world
            .view
            .decide(&who, Action::Connect, world.now_s() * 1000);
        decision.reason
    };
    assert_eq!(connect(&world), Reason::MayConnect);
    world.must("acme.op", suspend(second_id));
    assert_eq!(connect(&world), Reason::CertificateSuspended);
    let topic = Call::RegisterTopic(claim("acme/press/t"));
    let outcome = world.run("acme.press", topic.clone());
    assert_eq!(outcome.code, Code::SenderSuspended);
    world.must("acme.op2", resume(second_id));
    assert_eq!(connect(&world), Reason::MayConnect);
    world.must("acme.press", topic);
    let pause = entry(&world, &second_id).suspensions.remove(0);
    assert_eq!(pause.from.reason, "odd traffic");
    assert_eq!(pause.until.unwrap().by, client("acme.op2"));

    world.must("acme.op", suspend(second_id));
    world.must("acme.op", revoke_certificate(second_id));
    assert_eq!(connect(&world), Reason::CertificateRevoked);
}

/// The key that a renewal writes is one proof away from the answer: whoever lost its rights by renewal or
/// suspension is named, so that gateways end live sessions.
#[test]
fn every_change_is_announced() {
    let mut world = World::new();
    world.skip_s += TO_RENEWAL_S;
    let id = world.id_of("acme.dev");
    let new = world.certify("acme.dev", Role::Device, (VALID_S.0, VALID_S.1 + 1));
    for (sender, call) in [
        ("acme.op", suspend(id)),
        ("acme.op", resume(id)),
        ("acme.dev", renew(&new)),
    ] {
        let mut view = world.view.clone();
        world.must(sender, call);
        let (block, _, writes) = world.blocks.last().unwrap();
        let changes = view.apply(block.height, block.time_ms, writes).unwrap();
        assert!(changes.clients.contains(&client("acme.dev")));
    }
}

pub fn refusals(case: &mut Case) {
    refused_enrolments(case);
    refused_suspensions(case);
    refused_templates(case);
    refused_renewals(case);
}

fn refused_enrolments(case: &mut Case) {
    let role = Role::Device;
    let new = case.world.certify("acme.new", role, VALID_S);
    let call = register_by(&case.world, 1, &new);
    case.refuse(Code::UnknownEnrolment, "acme.op", call.clone());
    case.refuse(Code::UnknownEnrolment, "acme.op", close(&[1]));
    let validator = open(&case.world, &[("acme.new", Role::Validator, 1)]);
    case.refuse(Code::RoleNotRegistrable, "acme.op", validator);
    case.refuse(Code::BatchEmpty, "acme.op", open(&case.world, &[]));
    case.refuse(Code::BatchEmpty, "acme.op", close(&[]));
    let many = vec![("acme.new", role, 1); limits::ENROLMENTS_PER_CALL + 1];
    case.refuse(Code::BatchTooLarge, "acme.op", open(&case.world, &many));
    let many = vec![1; limits::ENROLMENTS_PER_CALL + 1];
    case.refuse(Code::BatchTooLarge, "acme.op", close(&many));
    let twice = [("acme.new", role, 1), ("acme.other", role, 1)];
    case.refuse(Code::EnrolmentKnown, "acme.op", open(&case.world, &twice));
    let year = limits::ENROLMENT_LIFE_S as i64;
    for ahead_s in [i64::MIN, -1, 0, year + 1, i64::MAX] {
        let expires_s = case.world.now_s().saturating_add_signed(ahead_s);
        let key = code_key(1).public_key().clone();
        let item = Enrolment {
            client: client("acme.new"),
            role,
            key,
            expires_s,
        };
        let enrolments = vec![item];
        let call = Call::OpenEnrolments(OpenEnrolments { enrolments });
        case.refuse(Code::EnrolmentExpiry, "acme.op", call);
    }

    let items = [
        ("acme.new", role, 1),
        ("acme.other", role, 2),
        ("acme.new", Role::User, 3),
        ("acme.new", role, 4),
        ("acme.new", role, 5),
    ];
    case.world.must("acme.op", open(&case.world, &items));
    case.refuse(
        Code::EnrolmentKnown,
        "acme.op2",
        open(&case.world, &items[..1]),
    );
    case.world
        .must("beta.op", open(&case.world, &[("beta.new", role, 9)]));
    case.refuse(Code::OtherOrganisation, "acme.op", close(&[9]));
    let foreign = register_by(&case.world, 9, &new);
    case.refuse(Code::OtherOrganisation, "acme.op", foreign);
    for number in [2, 3] {
        let call = register_by(&case.world, number, &new);
        case.refuse(Code::EnrolmentMismatch, "acme.op", call);
    }
    refused_proofs(case, &new);
    // Closing is all or none, and once.
    case.refuse(Code::EnrolmentClosed, "acme.op", close(&[4, 4]));
    case.world.must("acme.op", close(&[4]));
    let closed = register_by(&case.world, 4, &new);
    case.refuse(Code::EnrolmentClosed, "acme.op", closed);
    case.refuse(Code::EnrolmentClosed, "acme.op", close(&[1, 4]));
    case.world.must("acme.op", call);
    case.refuse(Code::EnrolmentUsed, "acme.op", close(&[1]));
    let again = case
        .world
        .certify("acme.new", role, (VALID_S.0, VALID_S.1 - 1));
    // Using a code again needs another client's absence first: revoke, and it is still spent.
    let id = CertId(new.id());
    case.refuse(
        Code::ClientHasCertificate,
        "acme.op",
        register_by(&case.world, 5, &again),
    );
    case.world.must("acme.op", revoke_certificate(id));
    let call = register_by(&case.world, 1, &again);
    case.refuse(Code::EnrolmentUsed, "acme.op", call);
    case.world.skip_s += 2_000;
    let call = register_by(&case.world, 5, &again);
    case.refuse(Code::EnrolmentExpired, "acme.op", call);
}

/// A proof is for one ledger, one client, one key, by one code.
fn refused_proofs(case: &mut Case, new: &Certificate) {
    let chain = case.world.genesis.chain_id();
    let other_chain = ChainId(sm3(&[b"another ledger"]));
    let who = client("acme.new");
    let (code, key) = (code_key(1), &new.public_key);
    let other = code_key(7);
    let forged = [
        EnrolmentProof::sign(&other_chain, &who, key, &code),
        EnrolmentProof::sign(&chain, &client("acme.other"), key, &code),
        EnrolmentProof::sign(&chain, &who, other.public_key(), &code),
        EnrolmentProof {
            enrolment: enrolment(1),
            ..EnrolmentProof::sign(&chain, &who, key, &other)
        },
    ];
    for proof in forged {
        case.refuse(Code::EnrolmentForged, "acme.op", register_with(proof, new));
    }
}

fn refused_suspensions(case: &mut Case) {
    let id = case.world.id_of("acme.user");
    let own = case.world.id_of("acme.op");
    let nobody = CertId(sm3(&[b"nobody"]));
    case.refuse(Code::SelfRevocation, "acme.op", suspend(own));
    case.refuse(Code::UnknownCertificate, "acme.op", suspend(nobody));
    case.refuse(Code::UnknownCertificate, "acme.op", resume(nobody));
    case.refuse(Code::NotSuspended, "acme.op", resume(id));
    let reason = "x".repeat(limits::REASON_BYTES + 1);
    let long = Call::SuspendCertificate(SuspendCertificate {
        certificate: id,
        reason,
    });
    case.refuse(Code::ReasonInvalid, "acme.op", long);
    for n in 0..limits::SUSPENSIONS_PER_CERTIFICATE {
        case.world.must("acme.op", suspend(id));
        if n == 0 {
            case.refuse(Code::AlreadySuspended, "acme.op", suspend(id));
            let call = Call::RegisterTopic(claim("acme/user/t"));
            case.refuse(Code::SenderSuspended, "acme.user", call);
            // A suspended certificate is in the way of another: it may come back.
            let second = case
                .world
                .certify("acme.user", Role::User, (VALID_S.0, VALID_S.1 - 1));
            case.refuse(
                Code::ClientHasCertificate,
                "acme.op",
                register(second.der()),
            );
        }
        case.world.must("acme.op", resume(id));
    }
    case.refuse(Code::SuspensionsFull, "acme.op", suspend(id));
    case.world.must("acme.op", revoke_certificate(id));
    case.refuse(Code::AlreadyRevoked, "acme.op", suspend(id));
    case.refuse(Code::AlreadyRevoked, "acme.op", resume(id));
}

fn refused_templates(case: &mut Case) {
    case.refuse(
        Code::RoleNotRegistrable,
        "acme.op",
        template(Role::Validator, 86_400, 3_600),
    );
    for (validity, renewal) in [
        (limits::VALIDITY_MAX_S_MIN - 1, 0),
        (limits::VALIDITY_MAX_S_MAX + 1, 0),
        (86_400, 86_401),
        (u64::MAX, u64::MAX),
    ] {
        let call = template(Role::Gateway, validity, renewal);
        case.refuse(Code::TemplateInvalid, "acme.op", call);
    }
    case.world
        .must("acme.op", template(Role::Gateway, 86_400, 86_400));
    let from_s = case.world.now_s();
    for (over, code) in [(1, Code::ValidityTooLong), (0, Code::Applied)] {
        let name = "acme.gw2";
        let new = case
            .world
            .certify(name, Role::Gateway, (from_s, from_s + 86_400 + over));
        match code {
            Code::Applied => case.world.must("acme.op", register(new.der())),
            code => case.refuse(code, "acme.op", register(new.der())),
        }
    }
}

fn refused_renewals(case: &mut Case) {
    let (from_s, to_s) = VALID_S;
    let world = &mut case.world;
    let good = world.certify("acme.dev", Role::Device, (from_s, to_s + 1_000));
    let role = world.certify("acme.dev", Role::User, (from_s, to_s + 1_000));
    let other = world.certify("acme.dev2", Role::Device, (from_s, to_s + 1_000));
    let foreign = world.certify("beta.dev2", Role::Device, (from_s, to_s + 1_000));
    let equal = world.certify("acme.dev", Role::Device, (from_s, to_s));
    let gap_s = world.now_s() + TO_RENEWAL_S + 1_000;
    let late = world.certify("acme.dev", Role::Device, (gap_s, to_s + 1_000));
    let known = world.certificates["acme.dev"].clone();

    case.refuse(Code::RenewalTooEarly, "acme.dev", renew(&good));
    case.world.skip_s += TO_RENEWAL_S;
    case.refuse(Code::CertificateKnown, "acme.dev", renew(&known));
    for wrong in [&role, &other, &equal, &late] {
        case.refuse(Code::RenewalMismatch, "acme.dev", renew(wrong));
    }
    case.refuse(Code::OtherOrganisation, "acme.dev", renew(&foreign));
    let mut forged = good.der().to_vec();
    *forged.last_mut().unwrap() ^= 1;
    let forged = Call::RenewCertificate(RenewCertificate { der: forged.into() });
    case.refuse(Code::NotIssuedByRoot, "acme.dev", forged);
    case.refuse(Code::RoleNotAllowed, "acme.val", renew(&good));

    // With a template, its window and its validity count.
    case.world
        .must("acme.op", template(Role::Device, 2_000_000, 1_000));
    case.refuse(Code::RenewalTooEarly, "acme.dev", renew(&good));
    case.world
        .must("acme.op", template(Role::Device, to_s - from_s, 900_000));
    case.refuse(Code::ValidityTooLong, "acme.dev", renew(&good));
    case.world
        .must("acme.op", template(Role::Device, 2_000_000, 900_000));
    case.world.must("acme.dev", renew(&good));
}

#[test]
fn the_renewal_window_opens_to_the_second() {
    let mut world = World::new();
    let (from_s, to_s) = (START_S, START_S + 9_000);
    world.enrol("acme.short", Role::Device, (from_s, to_s));
    let new = world.certify("acme.short", Role::Device, (from_s, to_s + 1));
    let opens_s = to_s - (to_s - from_s) / 3;
    world.skip_s += opens_s - 1 - world.now_s();
    assert_eq!(world.now_s(), opens_s - 1);
    let outcome = world.run("acme.short", renew(&new));
    assert_eq!(outcome.code, Code::RenewalTooEarly);
    assert!(
        outcome.detail.contains(&opens_s.to_string()),
        "says from when on: {outcome}"
    );
    assert_eq!(world.now_s(), opens_s);
    world.must("acme.short", renew(&new));
}

#[test]
fn queries_find_what_there_is() {
    let mut world = World::new();
    let now_s = world.now_s();
    for (name, left_s) in [
        ("acme.soon", 500),
        ("acme.later", 50_000),
        ("acme.gone", 400),
        ("acme.dead", 300),
    ] {
        let outcome = world.enrol(name, Role::Device, (now_s - 100, now_s + left_s));
        assert!(outcome.code.is_applied(), "{outcome}");
    }
    let gone = world.id_of("acme.gone");
    world.must("acme.op", revoke_certificate(gone));
    world.must("acme.op", template(Role::Device, 60_000, 60));
    world.skip_s += 320;
    let call = open(
        &world,
        &[("acme.a", Role::Device, 1), ("acme.b", Role::User, 2)],
    );
    world.must("acme.op", call);

    let org: OrgId = "acme".parse().unwrap();
    let soon = world.view.expiring(&org, 1_000, &Page::default());
    let names: Vec<_> = soon
        .value
        .iter()
        .map(|it| it.client.client.as_str())
        .collect();
    assert_eq!(names, ["acme.soon"]);
    assert_eq!(soon.value[0].renewal_opens_s, now_s + 500 - 60);
    assert!(soon.keys.contains(&keys::template(&org, Role::Device)));
    let all = world.view.expiring(&org, 100_000, &Page::default());
    assert_eq!(all.value.len(), 2);

    // Page by page it is the same.
    let mut paged = Vec::new();
    let mut page = Page {
        limit: 3,
        ..Page::default()
    };
    loop {
        let part = world.view.expiring(&org, 100_000, &page);
        paged.extend(part.value);
        page.after = part.next;
        if page.after.is_none() {
            break;
        }
    }
    assert_eq!(paged, all.value);

    let listed = world.view.enrolments_of(&org, &Page::default());
    assert_eq!(listed.value.len(), 2);
    assert_eq!(
        listed.keys.len(),
        2,
        "one key proves each enrolment: {:?}",
        listed.keys
    );
    world.skip_s += 1_000;
    world.block(Vec::new());
    let listed = world.view.enrolments_of(&org, &Page::default()).value;
    assert!(
        listed
            .iter()
            .all(|it| it.status == EnrolmentStatus::Expired)
    );
    let held = world.view.template(&org, Role::Device).value.unwrap();
    assert_eq!(held.template.renewal_s, 60);
    assert_eq!(world.view.template(&org, Role::User).value, None);
    let nobody = CertId(sm3(&[b"nobody"]));
    let answer = world.view.certificate_at(&nobody, 1, START_S * 1000);
    assert_eq!(answer.value, None);
    assert_eq!(answer.keys, [keys::certificate(&nobody)]);
}

/// One certificate as the model has it.
#[derive(Clone)]
struct Held {
    id: CertId,
    valid_s: (u64, u64),
    revoked: bool,
    paused: bool,
    pauses: usize,
}

impl Held {
    fn status(&self, now_s: u64) -> CertificateStatus {
        if self.revoked {
            CertificateStatus::Revoked
        } else if now_s > self.valid_s.1 {
            CertificateStatus::Expired
        } else if self.paused {
            CertificateStatus::Suspended
        } else if now_s < self.valid_s.0 {
            CertificateStatus::NotYetValid
        } else {
            CertificateStatus::Live
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Spent {
    No,
    Used,
    Closed,
}

struct Opened {
    number: u8,
    client: &'static str,
    expires_s: u64,
    spent: Spent,
}

#[derive(Default)]
struct Model {
    /// All certificates of a client, the present one last.
    clients: BTreeMap<&'static str, Vec<Held>>,
    enrolments: Vec<Opened>,
    template: Option<Template>,
}

const PLAYERS: [&str; 4] = ["acme.a", "acme.b", "acme.c", "acme.d"];

impl Model {
    fn present(&mut self, who: &str) -> Option<&mut Held> {
        self.clients.get_mut(who).and_then(|held| held.last_mut())
    }

    fn fits(&self, valid_s: (u64, u64)) -> bool {
        self.template
            .is_none_or(|it| valid_s.1 - valid_s.0 <= it.validity_max_s)
    }

    fn registrable(&mut self, who: &str, valid_s: (u64, u64), now_s: u64) -> bool {
        let free = self.present(who).is_none_or(|held| {
            use CertificateStatus::{Expired, Revoked};
            matches!(held.status(now_s), Expired | Revoked)
        });
        free && valid_s.1 >= now_s && self.fits(valid_s)
    }

    fn add(&mut self, who: &'static str, id: CertId, valid_s: (u64, u64)) {
        self.clients.entry(who).or_default().push(Held {
            id,
            valid_s,
            revoked: false,
            paused: false,
            pauses: 0,
        });
    }
}

/// Statuses of all certificates at one height.
type Recorded = (u64, u64, BTreeMap<[u8; 32], CertificateStatus>);

/// A random history of certificates; panics where contracts and model differ.
pub fn play(seed: u64, steps: usize) -> World {
    play_recorded(seed, steps).0
}

fn play_recorded(seed: u64, steps: usize) -> (World, Vec<Recorded>) {
    let mut world = World::founded();
    let mut rng = StdRng::seed_from_u64(seed);
    let mut model = Model::default();
    let mut recorded = Vec::new();
    for step in 0..steps {
        if rng.random_bool(0.2) {
            world.skip_s += rng.random_range(1..2_000);
        }
        let who = PLAYERS[rng.random_range(0..PLAYERS.len())];
        let (what, outcome, must) = match rng.random_range(0..10) {
            0..=1 => register_step(&mut world, &mut model, &mut rng, who),
            2..=3 => enrolment_step(&mut world, &mut model, &mut rng, who),
            4..=5 => renew_step(&mut world, &mut model, &mut rng, who),
            6 => template_step(&mut world, &mut model, &mut rng),
            _ => standing_step(&mut world, &mut model, &mut rng, who),
        };
        let applied = outcome.code.is_applied();
        assert_eq!(applied, must, "seed {seed}, step {step}: {what}: {outcome}");
        recorded.push(compare(&world, &model, seed, step));
    }
    (world, recorded)
}

type Step = (&'static str, sealwire_contracts::Outcome, bool);

fn validity(rng: &mut StdRng, now_s: u64) -> (u64, u64) {
    let from_s = now_s + 20 - rng.random_range(0..100);
    (from_s, from_s + rng.random_range(90..20_000))
}

fn register_step(
    world: &mut World,
    model: &mut Model,
    rng: &mut StdRng,
    who: &'static str,
) -> Step {
    let now_s = world.now_s();
    let valid_s = validity(rng, now_s);
    let new = world.certify(who, Role::Device, valid_s);
    let must = model.registrable(who, valid_s, now_s);
    let outcome = world.run("acme.op", register(new.der()));
    if must {
        model.add(who, CertId(new.id()), valid_s);
        world.certificates.insert(who.into(), new);
    }
    ("register", outcome, must)
}

fn enrolment_step(
    world: &mut World,
    model: &mut Model,
    rng: &mut StdRng,
    who: &'static str,
) -> Step {
    let now_s = world.now_s();
    let number = model.enrolments.len() as u8 + 1;
    if model.enrolments.is_empty() || (rng.random_bool(0.3) && number < 200) {
        let call = open(world, &[(who, Role::Device, number)]);
        model.enrolments.push(Opened {
            number,
            client: who,
            expires_s: now_s + 1_000,
            spent: Spent::No,
        });
        return ("open", world.run("acme.op", call), true);
    }
    let at = rng.random_range(0..model.enrolments.len());
    if rng.random_bool(0.2) {
        let item = &mut model.enrolments[at];
        let must = item.spent == Spent::No;
        if must {
            item.spent = Spent::Closed;
        }
        let call = close(&[item.number]);
        return ("close", world.run("acme.op", call), must);
    }
    let valid_s = validity(rng, now_s);
    let new = world.certify(who, Role::Device, valid_s);
    let free = model.registrable(who, valid_s, now_s);
    let item = &mut model.enrolments[at];
    let must = free && item.spent == Spent::No && item.client == who && now_s < item.expires_s;
    let call = register_by(world, item.number, &new);
    let outcome = world.run("acme.op", call);
    if must {
        item.spent = Spent::Used;
        model.add(who, CertId(new.id()), valid_s);
        world.certificates.insert(who.into(), new);
    }
    ("register by code", outcome, must)
}

fn renew_step(world: &mut World, model: &mut Model, rng: &mut StdRng, who: &'static str) -> Step {
    if !world.certificates.contains_key(who) {
        return register_step(world, model, rng, who);
    }
    if let (true, Some(held)) = (rng.random_bool(0.7), model.present(who)) {
        // Go where it is likely to be allowed.
        let soon_s = held.valid_s.1.saturating_sub(80);
        world.skip_s += soon_s.saturating_sub(world.now_s());
    }
    let now_s = world.now_s();
    let valid_s = validity(rng, now_s);
    let new = world.certify(who, Role::Device, valid_s);
    let fits = model.fits(valid_s);
    let template = model.template;
    let held = model.present(who).unwrap();
    let renewal_s = template.map_or((held.valid_s.1 - held.valid_s.0) / 3, |it| it.renewal_s);
    let must = held.status(now_s) == CertificateStatus::Live
        && valid_s.0 <= now_s
        && valid_s.1 > held.valid_s.1
        && now_s >= held.valid_s.1.saturating_sub(renewal_s)
        && fits;
    let outcome = world.run(who, renew(&new));
    if must {
        held.revoked = true;
        model.add(who, CertId(new.id()), valid_s);
        world.certificates.insert(who.into(), new);
    }
    ("renew", outcome, must)
}

fn template_step(world: &mut World, model: &mut Model, rng: &mut StdRng) -> Step {
    let validity_max_s = rng.random_range(3_000..25_000);
    let renewal_s = rng.random_range(0..6_000);
    let must = validity_max_s >= limits::VALIDITY_MAX_S_MIN && renewal_s <= validity_max_s;
    let call = template(Role::Device, validity_max_s, renewal_s);
    if must {
        model.template = Some(Template {
            validity_max_s,
            renewal_s,
        });
    }
    ("template", world.run("acme.op", call), must)
}

/// Suspends, resumes or revokes one of the client's certificates, mostly the present one.
fn standing_step(
    world: &mut World,
    model: &mut Model,
    rng: &mut StdRng,
    who: &'static str,
) -> Step {
    let Some(all) = model.clients.get_mut(who) else {
        return register_step(world, model, rng, who);
    };
    let last = all.len() - 1;
    let at = if rng.random_bool(0.8) {
        last
    } else {
        rng.random_range(0..all.len())
    };
    let held = &mut all[at];
    match rng.random_range(0..5) {
        0..=1 => {
            let full = held.pauses == limits::SUSPENSIONS_PER_CERTIFICATE;
            let must = !held.revoked && !held.paused && !full;
            if must {
                held.paused = true;
                held.pauses += 1;
            }
            ("suspend", world.run("acme.op", suspend(held.id)), must)
        }
        2..=3 => {
            let must = !held.revoked && held.paused;
            held.paused &= held.revoked;
            ("resume", world.run("acme.op2", resume(held.id)), must)
        }
        _ => {
            let must = !held.revoked;
            held.revoked = true;
            let call = revoke_certificate(held.id);
            ("revoke", world.run("acme.op", call), must)
        }
    }
}

fn compare(world: &World, model: &Model, seed: u64, step: usize) -> Recorded {
    let now_s = world.view.time_ms() / 1000;
    let mut statuses = BTreeMap::new();
    for (who, all) in &model.clients {
        let present = world.view.client(&client(who)).value.unwrap();
        assert_eq!(present.certificate_id, all.last().unwrap().id);
        let live = all
            .iter()
            .filter(|held| held.status(now_s) == CertificateStatus::Live);
        assert!(live.count() <= 1, "{seed}/{step}: {who} has two");
        for held in all {
            let record = world.view.certificate(&held.id).value.unwrap();
            assert_eq!(
                record.status,
                held.status(now_s),
                "{seed}/{step}: {who} {:?}",
                record.certificate
            );
            statuses.insert(held.id.0.0, record.status);
        }
        let decision = world
            .view
            .decide(&client(who), Action::Connect, now_s * 1000);
        let live = status(world, who) == CertificateStatus::Live;
        assert_eq!(decision.is_allowed(), live, "{seed}/{step}: {who}");
    }
    for item in &model.enrolments {
        let got = world.view.enrolment(&enrolment(item.number)).value.unwrap();
        let expected = match item.spent {
            Spent::Used => EnrolmentStatus::Used,
            Spent::Closed => EnrolmentStatus::Closed,
            Spent::No if now_s >= item.expires_s => EnrolmentStatus::Expired,
            Spent::No => EnrolmentStatus::Open,
        };
        assert_eq!(got.status, expected, "{seed}/{step}: code {}", item.number);
    }
    (world.view.height(), world.view.time_ms(), statuses)
}

/// Whatever happened, in random order, the contracts and the model agree; and from the last state alone
/// every certificate's status at every height is what it was seen to be then.
#[test]
fn random_lives_agree_with_the_model_at_every_height() {
    let mut seen = BTreeMap::new();
    let mut outcomes = BTreeMap::new();
    for seed in 0..30 {
        let (world, recorded) = play_recorded(seed, 100);
        let (_, _, last) = recorded.last().unwrap();
        for (height, time_ms, then) in &recorded {
            for id in last.keys() {
                let id = CertId(sealwire_sm::Sm3Digest(*id));
                let answer = world.view.certificate_at(&id, *height, *time_ms);
                let expected = then
                    .get(&id.0.0)
                    .copied()
                    .unwrap_or(CertificateStatus::Unregistered);
                let got = answer.value.unwrap().status;
                assert_eq!(got, expected, "seed {seed}, height {height}");
                assert_eq!(answer.keys, [keys::certificate(&id)]);
                *seen.entry(expected.as_str()).or_insert(0) += 1;
            }
            for who in PLAYERS {
                let who = client(who);
                let was = world
                    .view
                    .decide_at(&who, Action::Connect, *height, *time_ms)
                    .unwrap();
                let known = was.certificate.map(|id| then[&id.0.0]);
                let allowed = known == Some(CertificateStatus::Live);
                assert_eq!(was.is_allowed(), allowed, "seed {seed}, height {height}");
            }
        }
        for (key, value) in &world.state {
            if key.starts_with(b"tx/") {
                let entry: sealwire_contracts::entry::OutcomeEntry = decode(value).unwrap();
                *outcomes.entry(entry.code).or_insert(0) += 1;
            }
        }
    }
    // The histories reach what they are for.
    for status in [
        "live",
        "not-yet-valid",
        "expired",
        "revoked",
        "suspended",
        "unregistered",
    ] {
        let count = seen.get(status).copied().unwrap_or(0);
        assert!(count > 100, "{status}: {count}");
    }
    for code in [
        Code::Applied,
        Code::RenewalTooEarly,
        Code::RenewalMismatch,
        Code::SenderSuspended,
        Code::SenderRevoked,
        Code::ValidityTooLong,
        Code::EnrolmentUsed,
        Code::EnrolmentMismatch,
        Code::ClientHasCertificate,
        Code::AlreadySuspended,
        Code::NotSuspended,
    ] {
        assert!(outcomes.contains_key(&code), "{code:?} never happened");
    }
}
