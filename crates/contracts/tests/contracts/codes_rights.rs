//! Codes of the calls on rights beyond grants of single topics.

use sealwire_contracts::{Code, limits};
use sealwire_envelope::*;

use crate::codes::Case;
use crate::rights::*;
use crate::world::*;

const T: &str = "acme/dev/t";
const ALL: &str = "acme/dev/#";

pub fn of_rights(case: &mut Case) {
    case.world.must("acme.dev", Call::RegisterTopic(claim(T)));
    case.world
        .must("acme.dev", Call::RegisterTopic(claim("acme/dev/closed")));
    let long = "x".repeat(257);

    // Filters.
    case.refuse(
        Code::FilterPlain,
        "acme.dev",
        grant_filter(T, "beta.dev", Rights::ALL),
    );
    case.refuse(
        Code::OutsidePrefix,
        "acme.dev",
        grant_filter("beta/dev/#", "beta.dev", Rights::ALL),
    );
    case.refuse(
        Code::OutsidePrefix,
        "acme.dev",
        grant_filter("acme/#", "beta.dev", Rights::ALL),
    );
    case.refuse(
        Code::OutsidePrefix,
        "acme.op",
        grant_filter("beta/#", "beta.dev", Rights::VERIFY),
    );
    case.refuse(
        Code::OperatorRights,
        "acme.op",
        grant_filter("acme/#", "beta.dev", Rights::READ),
    );
    case.refuse(
        Code::GrantToOwner,
        "acme.dev",
        grant_filter(ALL, "acme.dev", Rights::READ),
    );
    case.refuse(
        Code::UnknownGrantee,
        "acme.dev",
        grant_filter(ALL, "beta.nobody", Rights::READ),
    );
    case.refuse(
        Code::GranteeRole,
        "acme.dev",
        grant_filter(ALL, "beta.gw", Rights::READ),
    );
    case.refuse(
        Code::RightsEmpty,
        "acme.dev",
        grant_filter(ALL, "beta.dev", Rights::NONE),
    );
    let Call::GrantFilter(mut noted) = grant_filter(ALL, "beta.dev", Rights::READ) else {
        unreachable!()
    };
    noted.note = Some(long.clone());
    case.refuse(Code::NoteTooLong, "acme.dev", Call::GrantFilter(noted));
    for n in 0..limits::FILTERS_PER_PAIR {
        let filter = format!("acme/dev/{n}/#");
        case.world
            .must("acme.dev", grant_filter(&filter, "beta.dev", Rights::READ));
    }
    case.refuse(
        Code::TooManyFilters,
        "acme.dev",
        grant_filter(ALL, "beta.dev", Rights::READ),
    );
    case.refuse(
        Code::UnknownGrant,
        "acme.dev",
        revoke_filter(ALL, "beta.dev"),
    );
    case.world
        .must("acme.dev", revoke_filter("acme/dev/0/#", "beta.dev"));
    case.refuse(
        Code::GrantRevoked,
        "acme.dev",
        revoke_filter("acme/dev/0/#", "beta.dev"),
    );
    // A revoked one makes room.
    case.world
        .must("acme.dev", grant_filter(ALL, "beta.dev", Rights::READ));
    case.refuse(
        Code::OutsidePrefix,
        "beta.op",
        revoke_filter(ALL, "beta.dev"),
    );

    // Requests.
    case.refuse(Code::RequestToSelf, "acme.dev", request(T, Rights::READ));
    case.refuse(
        Code::UnknownTopic,
        "beta.dev",
        request("acme/dev/u", Rights::READ),
    );
    case.refuse(
        Code::UnknownGrantee,
        "beta.dev",
        request("acme/nobody/#", Rights::READ),
    );
    case.refuse(
        Code::OutsidePrefix,
        "beta.dev",
        request("acme/+/t", Rights::READ),
    );
    case.refuse(Code::UnknownRequest, "acme.dev", deny(T, "beta.dev"));
    case.world.must("beta.dev", request(T, Rights::READ));
    case.refuse(Code::UnknownRequest, "acme.user", deny(T, "beta.dev"));
    case.world.must("acme.dev", deny(T, "beta.dev"));
    case.refuse(Code::UnknownRequest, "acme.dev", deny(T, "beta.dev"));

    // Hand-over and closing.
    case.refuse(Code::NoOffer, "beta.dev", accept(T, 1, &["beta.dev"]));
    case.refuse(Code::NoOffer, "acme.dev", withdraw_offer(T));
    case.refuse(Code::NotOwner, "acme.user", offer(T, "beta.dev", 0..=0));
    case.refuse(Code::GrantToOwner, "acme.dev", offer(T, "acme.dev", 0..=0));
    case.refuse(Code::WrongEpoch, "acme.dev", offer(T, "beta.dev", 0..=1));
    let Call::TransferTopic(mut empty) = offer(T, "beta.dev", 0..=0) else {
        unreachable!()
    };
    empty.keys.clear();
    case.refuse(Code::KeyMissing, "acme.dev", Call::TransferTopic(empty));
    case.world.must("acme.dev", offer(T, "beta.dev", 0..=0));
    case.refuse(Code::NoOffer, "beta.user", accept(T, 1, &["beta.user"]));
    let bare = AcceptTopic {
        topic: topic(T),
        rotation: None,
    };
    case.refuse(Code::RotationMissing, "beta.dev", Call::AcceptTopic(bare));
    case.world.must("acme.dev", close_topic("acme/dev/closed"));
    case.refuse(
        Code::TopicClosed,
        "acme.dev",
        close_topic("acme/dev/closed"),
    );
    case.refuse(
        Code::TopicClosed,
        "acme.dev",
        offer("acme/dev/closed", "beta.dev", 0..=0),
    );
    case.refuse(Code::OtherOrganisation, "beta.op", close_topic(T));
    case.refuse(
        Code::ReasonInvalid,
        "acme.dev",
        Call::CloseTopic(CloseTopic {
            topic: topic(T),
            reason: long,
        }),
    );

    // Keys.
    case.refuse(Code::NotEntitled, "acme.dev", seal_to(T, "beta.user", 0));
    case.refuse(Code::NotOwner, "beta.user", seal_to(T, "beta.dev", 0));
    case.refuse(Code::KeyNotHeld, "beta.user", seal_to(T, "beta.user", 0));
    case.refuse(Code::WrongEpoch, "acme.dev", seal_to(T, "acme.dev", 1));
    let none = SealKeys {
        topic: topic(T),
        clients: Vec::new(),
        authorisations: Vec::new(),
    };
    case.refuse(Code::TooManyKeys, "acme.dev", Call::SealKeys(none));
    case.world
        .must("acme.dev", Call::GrantTopic(grant(T, "beta.user")));
    let rotating = Call::RevokeGrant(revoke(T, "beta.user", 1, &["acme.dev"]));
    case.refuse(Code::OperatorRights, "acme.op", rotating);
    case.refuse(
        Code::RotationNamesStranger,
        "acme.dev",
        rotate(T, 1, &["acme.dev", "beta.user", "acme.user"]),
    );
}

pub fn of_authorisations(case: &mut Case) {
    case.world.must("acme.dev", Call::RegisterTopic(claim(T)));
    let make = |case: &Case, number| authorisation(&case.world, number, T, Rights::READ);
    let create = Call::CreateAuthorisation;

    let mut uses = make(case, 1);
    uses.uses = 0;
    case.refuse(Code::AuthorisationUses, "acme.dev", create(uses));
    let mut late = make(case, 1);
    late.redeem_until_s = case.world.now_s();
    case.refuse(Code::AuthorisationExpired, "acme.dev", create(late));
    let outside = authorisation(&case.world, 1, "beta/dev/#", Rights::READ);
    case.refuse(Code::OutsidePrefix, "acme.dev", create(outside));
    let mut foreign = make(case, 1);
    foreign.keys = vec![topic_key("acme/dev/u", 0)];
    case.refuse(Code::KeyOutsideFilter, "acme.dev", create(foreign));

    let mut one = make(case, 1);
    one.uses = 1;
    one.keys = vec![topic_key(T, 0)];
    case.world.must("acme.dev", create(one.clone()));
    case.refuse(Code::AuthorisationKnown, "acme.dev", create(one));

    let redeem_by = |case: &Case, number, by: &str| {
        Call::RedeemAuthorisation(redeem(&case.world, number, by, Vec::new()))
    };
    let unknown = redeem_by(case, 9, "beta.dev");
    case.refuse(Code::UnknownAuthorisation, "beta.dev", unknown);
    // A copied redemption is worthless to whoever copied it.
    let copied = redeem_by(case, 1, "beta.dev");
    case.refuse(Code::AuthorisationForged, "beta.user", copied);
    let own = redeem_by(case, 1, "acme.dev");
    case.refuse(Code::GrantToOwner, "acme.dev", own);
    let wrong_key = redeem(&case.world, 1, "beta.dev", vec![topic_key(T, 1)]);
    case.refuse(
        Code::WrongEpoch,
        "beta.dev",
        Call::RedeemAuthorisation(wrong_key),
    );
    let good = redeem(&case.world, 1, "beta.dev", vec![topic_key(T, 0)]);
    case.world.must("beta.dev", Call::RedeemAuthorisation(good));
    let again = redeem_by(case, 1, "beta.dev");
    case.refuse(Code::AlreadyRedeemed, "beta.dev", again);
    let third = redeem_by(case, 1, "beta.user");
    case.refuse(Code::AuthorisationUsedUp, "beta.user", third);

    let two = make(case, 2);
    case.world.must("acme.dev", create(two));
    let unheld = redeem(&case.world, 2, "beta.user", vec![topic_key(T, 0)]);
    case.refuse(
        Code::KeyNotHeld,
        "beta.user",
        Call::RedeemAuthorisation(unheld),
    );
    case.refuse(Code::NotOwner, "beta.user", withdraw(2));
    case.refuse(Code::NotOwner, "beta.op", withdraw(2));
    case.world.must("acme.op", withdraw(2));
    case.refuse(Code::AuthorisationWithdrawn, "acme.dev", withdraw(2));
    let withdrawn = redeem_by(case, 2, "beta.user");
    case.refuse(Code::AuthorisationWithdrawn, "beta.user", withdrawn);
    case.refuse(
        Code::NotEntitled,
        "acme.dev",
        seal_to_authorisation(T, &authorisation_key(2), 0),
    );

    let mut unread = authorisation(&case.world, 3, T, Rights::VERIFY);
    unread.keys = vec![topic_key(T, 0)];
    case.refuse(Code::KeyUnexpected, "acme.dev", create(unread));
    let three = make(case, 3);
    case.world.must("acme.dev", create(three));
    // What a lost device signed away gives nothing.
    let lost = case.world.id_of("acme.dev");
    case.world.must("acme.op", revoke_certificate(lost));
    let of_the_lost = redeem_by(case, 3, "beta.user");
    case.refuse(Code::OwnerNotLive, "beta.user", of_the_lost);
    case.world.skip_s += 2_000;
    let expired = redeem_by(case, 3, "beta.user");
    case.refuse(Code::AuthorisationExpired, "beta.user", expired);
}
