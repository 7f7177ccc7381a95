//! Queries about certificates over time, templates and enrolments.

use sealwire_envelope::{CertId, EnrolmentId, OrgId};
use sealwire_sm::cert::Role;
use serde::Serialize;

use crate::entry::{
    CertificateEntry, CertificateStatus, ClientEntry, EnrolmentEntry, EnrolmentStatus,
    TemplateEntry,
};
use crate::identity::renewal_opens_s;
use crate::keys::{self, StateKey};
use crate::queries::{CertificateRecord, ClientRecord};
use crate::view::{Answer, Page, View};

/// A client whose certificate ends soon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExpiringRecord {
    /// The client and its certificate.
    #[serde(flatten)]
    pub client: ClientRecord,
    /// First second at which its holder may renew it, Unix.
    pub renewal_opens_s: u64,
}

/// An enrolment and its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EnrolmentRecord {
    /// Its id: the SM3 digest of its public key.
    pub id: EnrolmentId,
    /// Its entry.
    pub enrolment: EnrolmentEntry,
    /// Whether a certificate can be had by it at the time of the view's last block.
    pub status: EnrolmentStatus,
}

impl View {
    /// A certificate and whether it could be used at an earlier height; `then_ms` is that block's time.
    /// `None` in the answer when it was never registered. The one key of the answer proves it, today.
    ///
    /// The caller makes sure that the height isn't yet to come.
    pub fn certificate_at(
        &self,
        id: &CertId,
        height: u64,
        then_ms: u64,
    ) -> Answer<Option<CertificateRecord>> {
        let mut reader = self.reader();
        let entry: Option<CertificateEntry> = reader.entry(keys::certificate(id));
        let value = entry.map(|certificate| CertificateRecord {
            status: certificate.status_at(height, then_ms / 1000),
            certificate,
        });
        reader.answer(value, None)
    }

    /// Clients of an organisation whose certificate is neither revoked nor expired and ends within
    /// `within_s` seconds from the view's last block on, by name.
    ///
    /// The page's limit counts clients looked at: a page may hold fewer, and still have a next.
    pub fn expiring(&self, org: &OrgId, within_s: u64, page: &Page) -> Answer<Vec<ExpiringRecord>> {
        let now_s = self.time_ms() / 1000;
        let until_s = now_s.saturating_add(within_s);
        self.page(&keys::clients_of(org), &[], page, |reader, parsed, key| {
            let StateKey::Client(client) = parsed else {
                return None;
            };
            let held: ClientEntry = reader.peek(&key)?;
            let present: CertificateEntry = reader.peek(&keys::certificate(&held.certificate))?;
            let status = present.status(now_s);
            let over = matches!(
                status,
                CertificateStatus::Revoked | CertificateStatus::Expired
            );
            if over || present.not_after_s > until_s {
                return None;
            }
            let client = self.client_record(reader, client)?;
            let template: Option<TemplateEntry> = reader.entry(keys::template(org, present.role));
            let template = template.map(|entry| entry.template);
            Some(ExpiringRecord {
                renewal_opens_s: renewal_opens_s(
                    present.not_before_s,
                    present.not_after_s,
                    template.as_ref(),
                ),
                client,
            })
        })
    }

    /// What an organisation allows of certificates of a role; nothing where it never said so.
    pub fn template(&self, org: &OrgId, role: Role) -> Answer<Option<TemplateEntry>> {
        self.one(keys::template(org, role))
    }

    /// One enrolment.
    pub fn enrolment(&self, id: &EnrolmentId) -> Answer<Option<EnrolmentRecord>> {
        let mut reader = self.reader();
        let entry = reader.entry(keys::enrolment(id));
        let value = entry.map(|entry| self.enrolment_record(*id, entry));
        reader.answer(value, None)
    }

    /// All enrolments that an organisation ever opened, by id.
    pub fn enrolments_of(&self, org: &OrgId, page: &Page) -> Answer<Vec<EnrolmentRecord>> {
        self.page(&keys::enrolments_of(org), &[], page, |reader, parsed, _| {
            let StateKey::EnrolmentOf { id, .. } = parsed else {
                return None;
            };
            let entry = reader.entry(keys::enrolment(&id))?;
            Some(self.enrolment_record(id, entry))
        })
    }

    fn enrolment_record(&self, id: EnrolmentId, enrolment: EnrolmentEntry) -> EnrolmentRecord {
        EnrolmentRecord {
            id,
            status: enrolment.status(self.time_ms() / 1000),
            enrolment,
        }
    }
}
