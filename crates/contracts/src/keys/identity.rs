//! Keys of templates and enrolments.

use sealwire_envelope::{EnrolmentId, OrgId};
use sealwire_sm::cert::Role;

use super::join;

pub(super) const TEMPLATE: &[u8] = b"i/template/";
pub(super) const ENROLMENT: &[u8] = b"i/enrol/";
pub(super) const ENROLMENTS: &[u8] = b"i/enrols/";

/// What an organisation allows of certificates of a role.
pub fn template(org: &OrgId, role: Role) -> Vec<u8> {
    join(&[&templates_of(org), role.as_str().as_bytes()])
}

/// Prefix of an organisation's templates.
pub fn templates_of(org: &OrgId) -> Vec<u8> {
    join(&[TEMPLATE, org.as_str().as_bytes(), b"/"])
}

/// An enrolment, open or not.
pub fn enrolment(id: &EnrolmentId) -> Vec<u8> {
    join(&[ENROLMENT, id.0.as_ref()])
}

/// An enrolment in the list of its organisation's.
pub fn enrolment_of(org: &OrgId, id: &EnrolmentId) -> Vec<u8> {
    join(&[&enrolments_of(org), id.0.as_ref()])
}

/// Prefix of an organisation's enrolments.
pub fn enrolments_of(org: &OrgId) -> Vec<u8> {
    join(&[ENROLMENTS, org.as_str().as_bytes(), b"/"])
}
