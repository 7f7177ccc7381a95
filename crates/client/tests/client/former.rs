//! What a device signed before its certificate was renewed or revoked opens afterwards, and what its old key
//! signed much later doesn't.

use crate::common::{World, soon};
use sealwire_client::{
    Archive, archive,
    mqtt::{OpenError, QoS},
};
use sealwire_envelope::{
    Blob, Call, CertId, GrantTerms, RenewCertificate, RevokeCertificate, Rights, TopicMode,
    TopicName, decode, encode,
    message::{CONTENT_TYPE_DEFAULT, MessageError},
    record::ArchivedRecord,
};
use sealwire_sm::Role;

#[tokio::test(flavor = "multi_thread")]
async fn former_certificates_count_for_their_own_time() {
    let world = World::new().await;
    let gateway = world.gateway(None).await;
    let (key, certificate) = world.one.issue_for("press-7", Role::Device, 100);
    let device = world.registered(&world.one, key, certificate, "press-7");
    let reader = world.client(&world.two, "reader", Role::User);
    let topic: TopicName = "acme/press-7/t".parse().unwrap();
    let owner = &device.owner;
    owner.register(&topic, TopicMode::Sealed).await.unwrap();
    let terms = GrantTerms {
        rights: Rights::SUBSCRIBE | Rights::READ,
        ..GrantTerms::default()
    };
    owner.grant(&topic, reader.id(), terms, None).await.unwrap();

    // One message, archived.
    let session = device.connect(&gateway).await;
    let sent = session.send(&topic, CONTENT_TYPE_DEFAULT, b"before", QoS::AtLeastOnce);
    soon(sent.await.unwrap().confirmed()).await.unwrap();
    gateway.close_packages().await.unwrap();
    let address = format!("http://{}", gateway.http_addr);
    let store = Archive::new(&address, reader.identity.clone()).unwrap();
    let page = store.packages(&topic, 0, 10).await.unwrap();
    let kept = store.record(&page.packages[0].package, 0).await.unwrap();
    let before = kept.record.0;
    let opened = archive::open(&reader.keyring, &before).await.unwrap();
    assert_eq!(*opened.content, b"before");

    // Renewed: a reader that starts now opens it as well.
    let (_, certificate) = world.one.issue("press-7", Role::Device);
    let der = Blob(certificate.der().to_vec());
    let (old, present) = (device.identity.key(), device.identity.certificate());
    let call = Call::RenewCertificate(RenewCertificate { der });
    world.chain.call(old, present, call);
    let second = CertId(certificate.id());
    let fresh = || sealwire_client::Keyring::new(reader.identity.clone(), world.ledger());
    let opened = archive::open(&fresh(), &before).await.unwrap();
    assert_eq!(*opened.content, b"before");
    // What the old key signed much later isn't the device's.
    let mut late: ArchivedRecord = decode(&before).unwrap();
    late.received_ms += 3_600_000;
    let late = encode(&late);
    let unsigned = archive::open(&fresh(), &late).await;
    assert!(
        matches!(
            unsigned,
            Err(OpenError::Message(MessageError::Signature { .. }))
        ),
        "{unsigned:?}"
    );

    // Revoked, and enrolled once more: what was received before is still the device's, later is not.
    let revoke = Call::RevokeCertificate(RevokeCertificate {
        certificate: second,
        reason: "lost".to_owned(),
    });
    let (operator, its) = &world.one.operator;
    world.chain.call(operator, its, revoke);
    let (key, certificate) = world.one.issue("press-7", Role::Device);
    let _third = world.registered(&world.one, key, certificate, "third");
    let opened = archive::open(&fresh(), &before).await.unwrap();
    assert_eq!(*opened.content, b"before");
    session.close().await;
    gateway.shutdown().await;
}
