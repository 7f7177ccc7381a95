//! Who may ask a node what.
//!
//! A node serves at two kinds of places:
//!
//! | Place | Router | Who asks there |
//! |---|---|---|
//! | plain HTTP, meant for loopback | [`super::router`] | whoever reaches it: nobody is asked who they are |
//! | HTTPS, for everybody else | [`super::members_router`] | members, and strangers for what [`PUBLIC`] names |
//!
//! A *member* is who holds a certificate that is registered and live on the ledger, whatever its role: the
//! ledger is open to all its members. TLS has shown that the asker holds it; here it is looked up again with
//! every request, so that a revocation also ends connections that are open.
//!
//! *Public* is what one needs before one is a member, or to find out whether someone is: the node's status,
//! certificates, enrolments, templates, and what became of a transaction; handing in a transaction, too,
//! because a transaction says by its own signature who it is from. Whatever isn't named is for members.

use axum::{
    extract::{MatchedPath, Request, State},
    http::StatusCode,
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use sealwire_contracts::{entry::CertificateStatus, keys::StateKey};
use sealwire_envelope::CertId;

use super::{Node, Problem};

/// What a connection has shown of who asks: the listener puts it into each request's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asker(pub Option<CertId>);

/// How long a certificate that its holder renewed still counts, in milliseconds: who asks has that time to
/// show the new one, as at a gateway.
const RENEWAL_GRACE_MS: u64 = 60_000;

/// Routes that anyone may ask.
pub const PUBLIC: &[&str] = &[
    "/openapi.json",
    "/v1/status",
    "/v1/certificates/{certificate}",
    "/v1/enrolments/{enrolment}",
    "/v1/organisations/{org}/templates/{role}",
    "/v1/transactions",
    "/v1/transactions/{id}",
];

/// The route whose answer depends on which entry is asked for: public where the entry is about identity.
pub const STATE: &str = "/v1/state/{key}";

/// Whether anyone may see the entry under this key, in hexadecimal.
fn is_public_entry(key: &str) -> bool {
    let Ok(key) = hex::decode(key) else {
        // Not a key at all: anyone may be told so.
        return true;
    };
    matches!(
        StateKey::parse(&key),
        Ok(StateKey::Consortium
            | StateKey::Organisation(_)
            | StateKey::Certificate(_)
            | StateKey::Client(_)
            | StateKey::Template { .. }
            | StateKey::Enrolment(_)
            | StateKey::Outcome(_))
    )
}

/// Lets public requests and members through.
pub(super) async fn members(
    State(node): State<Node>,
    path: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response {
    let path = path.as_ref().map_or("", MatchedPath::as_str);
    let public = match path {
        STATE => {
            let key = request.uri().path().rsplit('/').next();
            key.is_some_and(is_public_entry)
        }
        path => PUBLIC.contains(&path),
    };
    let asker = request.extensions().get::<Asker>().copied();
    if !public && node.mirror().view().height() == 0 {
        let detail = "the ledger's first block isn't here yet: try again";
        return Problem::unavailable("starting", "The node is starting", detail).into_response();
    }
    if !public && let Err(why) = member(&node, asker.and_then(|Asker(shown)| shown)) {
        return Problem::new(
            StatusCode::UNAUTHORIZED,
            "members-only",
            "Only members may ask this",
            why,
        )
        .into_response();
    }
    next.run(request).await
}

fn member(node: &Node, shown: Option<CertId>) -> Result<(), String> {
    let shown = shown.ok_or(
        "show a certificate of the consortium in the TLS handshake (RFC 8998): the ledger is open to its \
         members",
    )?;
    let mirror = node.mirror();
    let view = mirror.view();
    let record = view.certificate(&shown).value;
    let record = record.ok_or("the certificate that was shown isn't registered on the ledger")?;
    // What counts is the ledger's time, as for everything that it decides.
    let now_ms = view.time_ms();
    let status = record.certificate.status(now_ms / 1000);
    let renewed = record.certificate.superseded();
    let renewed = renewed.is_some_and(|at| now_ms.saturating_sub(at.time_ms) <= RENEWAL_GRACE_MS);
    if status == CertificateStatus::Live || renewed {
        return Ok(());
    }
    let status = format!("{status:?}").to_lowercase();
    Err(format!("the certificate that was shown is {status}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sealwire_contracts::keys;
    use sealwire_sm::Sm3Digest;

    #[test]
    fn only_entries_of_identity_are_public() {
        let digest = Sm3Digest([7; 32]);
        let client = "acme.press-7".parse().unwrap();
        for public in [
            keys::certificate(&CertId(digest)),
            keys::client(&client),
            keys::outcome(&sealwire_envelope::TxId(digest)),
            keys::enrolment(&sealwire_envelope::EnrolmentId(digest)),
        ] {
            assert!(is_public_entry(&hex::encode(&public)));
        }
        let topic = "acme/press-7/t".parse().unwrap();
        for private in [
            keys::topic(&topic),
            keys::grant(&client, &topic),
            keys::package(&sealwire_envelope::PackageId(digest)),
            // A version of the past tells since when somebody was what: for members.
            keys::history(3, &keys::client(&client)),
            b"no key".to_vec(),
        ] {
            assert!(!is_public_entry(&hex::encode(&private)));
        }
        assert!(is_public_entry("zz"));
    }
}
