//! Every call by every role: who may, who may not.

use sealwire_contracts::Code;
use sealwire_envelope::{Call, EventKind, Rights};
use sealwire_sm::cert::Role;

use crate::compute;
use crate::identity;
use crate::rights::{self, authorisation};
use crate::world::*;

/// Roles in the order of the table's columns, with the client that has it.
const COLUMNS: [(&str, &str); 5] = [
    ("operator", "acme.op"),
    ("gateway", "acme.gw"),
    ("device", "acme.dev"),
    ("user", "acme.user"),
    ("validator", "acme.val"),
];

/// One valid call of each kind for this sender, in a world where it can be applied.
fn call(world: &mut World, kind: &str, sender: &str) -> Call {
    let own = topic_of(sender);
    match kind {
        "register-certificate" => {
            let certificate = world.certify("acme.new", Role::Device, VALID_S);
            register(certificate.der())
        }
        "revoke-certificate" => revoke_certificate(world.id_of("acme.op2")),
        "renew-certificate" => {
            let role = world.certificates[sender].role;
            let longer = world.certify(sender, role, (VALID_S.0, VALID_S.1 + 1));
            identity::renew(&longer)
        }
        "suspend-certificate" => identity::suspend(world.id_of("acme.op2")),
        "resume-certificate" => identity::resume(world.id_of("acme.op2")),
        "set-template" => identity::template(Role::Device, 86_400, 3_600),
        "open-enrolments" => identity::open(world, &[("acme.new", Role::Device, 1)]),
        "close-enrolments" => identity::close(&[0]),
        "register-topic" => Call::RegisterTopic(claim(&own)),
        "grant-topic" => Call::GrantTopic(grant(&own, "beta.user")),
        "revoke-grant" => {
            let mut call = revoke(&own, "beta.dev", 1, &[sender]);
            // An operator has no key to seal to those who stay.
            call.rotation = call.rotation.filter(|_| sender != "acme.op");
            Call::RevokeGrant(call)
        }
        "grant-filter" => match sender {
            "acme.op" => rights::grant_filter("acme/#", "beta.user", Rights::VERIFY),
            _ => rights::grant_filter(&filter_of(sender), "beta.user", Rights::ALL),
        },
        "revoke-filter" => rights::revoke_filter(&filter_of(sender), "beta.dev"),
        "request-rights" => rights::request("beta/dev/t", Rights::READ),
        "deny-request" => rights::deny(&own, "beta.dev"),
        "transfer-topic" => rights::offer(&own, "beta.user", 0..=0),
        "accept-topic" => rights::accept("beta/dev/t", 1, &[sender]),
        "close-topic" => rights::close_topic(&own),
        "rotate-topic" => rights::rotate(&own, 1, &[sender, "beta.dev"]),
        "seal-keys" => rights::seal_to(&own, "beta.dev", 0),
        "create-authorisation" => {
            Call::CreateAuthorisation(authorisation(world, 1, &own, Rights::READ))
        }
        "redeem-authorisation" => {
            Call::RedeemAuthorisation(rights::redeem(world, 2, sender, Vec::new()))
        }
        "withdraw-authorisation" => rights::withdraw(3),
        "anchor" => anchors(vec![anchor(1, "beta/dev/t", sender, world.now_s())]),
        "log-retrieval" => retrievals(vec![retrieval(0, "beta.user")]),
        "register-compute-key" => compute::register(owner_of(sender), 1),
        "retire-compute-key" => compute::retire(&compute::compute_key(owner_of(sender), 2)),
        "log-evaluations" => {
            let key = compute::compute_key("beta.dev", 3);
            let mut evaluation = compute::evaluation(world, &key, "beta.dev", &["beta/dev/t"]);
            evaluation.gateway = client(sender);
            compute::log(vec![evaluation])
        }
        "log-events" => events(vec![event("beta.dev", EventKind::Connected)]),
        other => panic!("no such call: {other}"),
    }
}

/// Topics, a grant and a package for the calls to work on.
fn prepared() -> World {
    let mut world = World::new();
    world.must("beta.dev", Call::RegisterTopic(claim("beta/dev/t")));
    world.must("beta.dev", compute::register("beta.dev", 3));
    let now_s = world.now_s();
    world.must(
        "beta.gw",
        anchors(vec![anchor(0, "beta/dev/t", "beta.gw", now_s)]),
    );
    world
}

#[test]
fn every_call_by_every_role() {
    #[rustfmt::skip]
    let table = [
        //                        operator gateway device user  validator
        ("register-certificate", [true,    false,  false, false, false]),
        ("revoke-certificate",   [true,    false,  false, false, false]),
        ("renew-certificate",    [true,    true,   true,  true,  false]),
        ("suspend-certificate",  [true,    false,  false, false, false]),
        ("resume-certificate",   [true,    false,  false, false, false]),
        ("set-template",         [true,    false,  false, false, false]),
        ("open-enrolments",      [true,    false,  false, false, false]),
        ("close-enrolments",     [true,    false,  false, false, false]),
        ("register-topic",       [false,   false,  true,  true,  false]),
        ("grant-topic",          [false,   false,  true,  true,  false]),
        ("revoke-grant",         [true,    false,  true,  true,  false]),
        ("grant-filter",         [true,    false,  true,  true,  false]),
        ("revoke-filter",        [true,    false,  true,  true,  false]),
        ("request-rights",       [false,   false,  true,  true,  false]),
        ("deny-request",         [false,   false,  true,  true,  false]),
        ("transfer-topic",       [false,   false,  true,  true,  false]),
        ("accept-topic",         [false,   false,  true,  true,  false]),
        ("close-topic",          [true,    false,  true,  true,  false]),
        ("rotate-topic",         [false,   false,  true,  true,  false]),
        ("seal-keys",            [false,   false,  true,  true,  false]),
        ("create-authorisation", [false,   false,  true,  true,  false]),
        ("redeem-authorisation", [false,   false,  true,  true,  false]),
        ("withdraw-authorisation", [true,  false,  true,  true,  false]),
        ("anchor",               [false,   true,   false, false, false]),
        ("log-retrieval",        [false,   true,   false, false, false]),
        ("log-events",           [false,   true,   false, false, false]),
        ("register-compute-key", [false,   false,  true,  true,  false]),
        ("retire-compute-key",   [true,    false,  true,  true,  false]),
        ("log-evaluations",      [false,   true,   false, false, false]),
    ];
    let mut seen = std::collections::BTreeSet::new();
    for (kind, allowed) in table {
        for ((role, sender), allowed) in COLUMNS.into_iter().zip(allowed) {
            let mut case = prepared_for(kind, sender, allowed);
            let call = call(&mut case, kind, sender);
            assert_eq!(call.name(), kind);
            seen.insert(call.name());
            let outcome = case.run(sender, call);
            let expected = if allowed {
                Code::Applied
            } else {
                Code::RoleNotAllowed
            };
            assert_eq!(outcome.code, expected, "{kind} by {role}: {outcome}");
        }
    }
    // A new call without a row fails here.
    let missing: Vec<_> = Call::NAMES
        .iter()
        .filter(|name| !seen.contains(*name))
        .collect();
    assert!(missing.is_empty(), "no row for {missing:?}");
    let heads = COLUMNS.map(|(role, _)| role);
    let rows = table.map(|(kind, allowed)| {
        let cells = allowed.map(|allowed| if allowed { "yes" } else { "no" }.to_owned());
        (format!("`{kind}`"), cells.to_vec())
    });
    crate::document::check("calls", "call", &heads, &rows);
}

/// Whose things a sender works on: its own; an operator, those of one of its organisation's.
fn owner_of(sender: &str) -> &str {
    match sender {
        "acme.op" => "acme.dev",
        own => own,
    }
}

/// The topic that a sender works on: its own; an operator, one of its organisation's.
fn topic_of(sender: &str) -> String {
    format!("{}t", client(owner_of(sender)).topic_prefix())
}

fn filter_of(sender: &str) -> String {
    format!("{}#", client(owner_of(sender)).topic_prefix())
}

/// What the calls on topics work on: the owner's topic with a grant to `beta.dev`, a granted filter, a
/// request, an offer to the sender, authorisation keys, a compute key.
fn prepare_topics(case: &mut World, sender: &str) {
    let owner = owner_of(sender);
    let own = topic_of(sender);
    case.must(owner, Call::RegisterTopic(claim(&own)));
    case.must(owner, Call::GrantTopic(grant(&own, "beta.dev")));
    case.must(
        owner,
        rights::grant_filter(&filter_of(sender), "beta.dev", Rights::READ),
    );
    case.must("beta.dev", rights::request(&own, Rights::READ));
    case.must("beta.dev", rights::offer("beta/dev/t", owner, 0..=0));
    let key = authorisation(case, 2, "beta/dev/t", Rights::READ);
    case.must("beta.dev", Call::CreateAuthorisation(key));
    let key = authorisation(case, 3, &own, Rights::READ);
    case.must(owner, Call::CreateAuthorisation(key));
    case.must(owner, compute::register(owner, 2));
}

/// A world in which the call would be applied, were it for the role.
fn prepared_for(kind: &str, sender: &str, allowed: bool) -> World {
    let mut case = prepared();
    match kind {
        "renew-certificate" => case.skip_s += identity::TO_RENEWAL_S,
        "resume-certificate" => {
            let suspended = case.id_of("acme.op2");
            case.must("acme.op", identity::suspend(suspended));
        }
        "close-enrolments" => {
            let call = identity::open(&case, &[("acme.new", Role::Device, 0)]);
            case.must("acme.op", call);
        }
        "register-topic" => {}
        _ if allowed && !kind.ends_with("certificate") && sender != "acme.gw" => {
            prepare_topics(&mut case, sender);
        }
        _ => {}
    }
    case
}

/// The other organisation's people have no say over this one's.
#[test]
fn no_call_reaches_into_another_organisation() {
    let mut world = prepared();
    let certificate = world.certify("acme.new", Role::Device, VALID_S);
    let foreign = world.id_of("acme.dev");
    for (sender, call, code) in [
        (
            "beta.op",
            register(certificate.der()),
            Code::OtherOrganisation,
        ),
        (
            "beta.op",
            revoke_certificate(foreign),
            Code::OtherOrganisation,
        ),
        (
            "beta.op",
            identity::suspend(foreign),
            Code::OtherOrganisation,
        ),
        (
            "beta.op",
            identity::resume(foreign),
            Code::OtherOrganisation,
        ),
        (
            "beta.op",
            identity::open(&world, &[("acme.new", Role::Device, 1)]),
            Code::OtherOrganisation,
        ),
        (
            "acme.dev",
            Call::RegisterTopic(claim("beta/dev/u")),
            Code::OutsidePrefix,
        ),
        (
            "acme.dev",
            Call::GrantTopic(grant("beta/dev/t", "acme.user")),
            Code::NotOwner,
        ),
        (
            "acme.dev",
            Call::RevokeGrant(revoke("beta/dev/t", "acme.user", 1, &[])),
            Code::NotOwner,
        ),
        (
            "acme.op",
            compute::retire(&compute::compute_key("beta.dev", 3)),
            Code::OtherOrganisation,
        ),
    ] {
        let outcome = world.run(sender, call);
        assert_eq!(outcome.code, code, "{outcome}");
    }
}
