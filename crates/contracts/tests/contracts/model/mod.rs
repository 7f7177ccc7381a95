//! Random histories of all calls on rights against an independent model: who may what, who holds which key,
//! and what an owner has to do about its keys.
//!
//! All that owners, readers and operators can do: register, grant topics and filters, revoke, ask, deny,
//! authorisation keys, hand over, close, rotate, seal keys later; and clients that come back in another role.
//! The model knows no state keys, no entries and no codes: it keeps sets, and says of each call whether it
//! must be applied. After each call everything that can be asked is asked.

mod compute;
mod more;
mod steps;

use std::collections::{BTreeMap, BTreeSet};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use sealwire_contracts::keys::Granter;
use sealwire_contracts::{Action, Page};
use sealwire_envelope::*;
use sealwire_sm::cert::Role;

use crate::rights::{authorisation_key, filter};
use crate::world::*;

type Name = &'static str;

const CLIENTS: [Name; 4] = ["acme.dev", "acme.user", "beta.dev", "beta.user"];
const TOPICS: [Name; 5] = [
    "acme/dev/a",
    "acme/dev/a/b",
    "acme/dev/open",
    "acme/user/a",
    "beta/dev/a",
];
/// Each lies under one client's prefix.
const FILTERS: [Name; 5] = [
    "acme/dev/+",
    "acme/dev/#",
    "acme/dev/+/b",
    "acme/user/#",
    "beta/dev/+",
];
/// Only organisations can grant these.
const ORG_FILTERS: [Name; 3] = ["acme/#", "acme/+/a", "beta/#"];
const RIGHTS: [Rights; 5] = [
    Rights::PUBLISH,
    Rights::SUBSCRIBE,
    Rights::READ,
    Rights::COMPUTE,
    Rights::VERIFY,
];
const KEY_RIGHTS: [Rights; 3] = [Rights::PUBLISH, Rights::SUBSCRIBE, Rights::READ];
const AUTHORISATIONS: usize = 6;

#[derive(Clone)]
struct Terms {
    rights: Rights,
    expires_s: Option<u64>,
    revoked: bool,
}

impl Terms {
    fn is_live(&self, now_s: u64) -> bool {
        !self.revoked && self.expires_s.is_none_or(|end_s| now_s < end_s)
    }

    fn has_key(&self) -> bool {
        KEY_RIGHTS.iter().any(|right| self.rights.contains(*right))
    }
}

struct Topic {
    owner: Name,
    is_open: bool,
    is_closed: bool,
    epoch: u32,
    grants: BTreeMap<Name, Terms>,
    /// Who holds the key of which epoch.
    holders: BTreeMap<u32, BTreeSet<Name>>,
    /// To whom it is offered, with the keys of which epochs.
    offer: Option<(Name, Vec<u32>)>,
}

struct Authorisation {
    owner: Name,
    on: Name,
    terms: Terms,
    uses: u16,
    until_s: u64,
    redeemed: BTreeSet<Name>,
    is_withdrawn: bool,
    keys: BTreeSet<(Name, u32)>,
}

impl Authorisation {
    fn is_open(&self, now_s: u64) -> bool {
        !self.is_withdrawn && now_s < self.until_s && self.redeemed.len() < self.uses.into()
    }
}

/// Filters that were granted: by whom (a client or an organisation), to whom, which.
type Wide = BTreeMap<(Name, Name), BTreeMap<Name, Terms>>;

struct Model {
    /// The role in a live certificate.
    roles: BTreeMap<Name, Role>,
    topics: BTreeMap<Name, Topic>,
    wide: Wide,
    /// By owner, requester, what for: whether it was granted, once it is answered.
    requests: BTreeMap<(Name, Name, Name), Option<bool>>,
    authorisations: [Option<Authorisation>; AUTHORISATIONS],
    /// By owner and number: whether it is retired.
    compute_keys: BTreeMap<(Name, u8), bool>,
    /// How many, by topic.
    evaluations: BTreeMap<Name, usize>,
}

/// Whether a filter matches a name, level by level.
fn matches(filter: &str, name: &str) -> bool {
    fn levels(filter: &[&str], name: &[&str]) -> bool {
        match (filter, name) {
            (["#"], _) | ([], []) => true,
            (["+", filter @ ..], [_, name @ ..]) => levels(filter, name),
            ([one, filter @ ..], [other, name @ ..]) => one == other && levels(filter, name),
            _ => false,
        }
    }
    let (filter, name): (Vec<_>, Vec<_>) = (filter.split('/').collect(), name.split('/').collect());
    levels(&filter, &name)
}

/// Whether all that `narrow` matches is matched by `wide`, tried on names of every shape that occurs.
fn covers(wide: &str, narrow: &str) -> bool {
    let ends = ["a", "b", "z", "a/b", "z/b", "a/z", "z/z", "a/b/b"];
    let prefixes = ["acme/dev", "acme/user", "beta/dev"];
    let names = prefixes.map(|prefix| ends.map(|end| format!("{prefix}/{end}")));
    let mut matched = names.iter().flatten().filter(|name| matches(narrow, name));
    matched.all(|name| matches(wide, name))
}

/// The client in whose prefix it lies.
fn prefix_of(on: Name) -> Name {
    let id = on.split('/').take(2).collect::<Vec<_>>().join(".");
    CLIENTS.into_iter().find(|client| *client == id).unwrap()
}

fn org_of(name: Name) -> Name {
    &name[..4]
}

impl Model {
    /// A device or user with a live certificate.
    fn acts(&self, who: Name) -> bool {
        let role = self.roles.get(who);
        role.is_some_and(|role| matches!(role, Role::Device | Role::User))
    }

    fn owner(&self, name: Name) -> Name {
        let known = self.topics.get(name).map(|topic| topic.owner);
        known.unwrap_or_else(|| prefix_of(name))
    }

    fn epoch(&self, name: Name) -> u32 {
        self.topics.get(name).map_or(0, |topic| topic.epoch)
    }

    /// What was granted by filters that match a topic.
    fn by_filters(&self, granter: Name, who: Name, name: Name) -> impl Iterator<Item = &Terms> {
        let granted = self.wide.get(&(granter, who)).into_iter().flatten();
        granted.filter_map(move |(filter, terms)| matches(filter, name).then_some(terms))
    }

    fn may(&self, who: Name, name: Name, right: Rights, now_s: u64) -> bool {
        let Some(topic) = self.topics.get(name).filter(|_| self.acts(who)) else {
            return false;
        };
        if topic.is_closed && (right == Rights::PUBLISH || right == Rights::SUBSCRIBE) {
            return false;
        }
        if topic.owner == who {
            return true;
        }
        if topic.is_open && right == Rights::VERIFY {
            return false;
        }
        let of_org = self.by_filters(org_of(topic.owner), who, name);
        let of_org = of_org.filter(|_| right == Rights::VERIFY);
        let mut all = self
            .by_filters(topic.owner, who, name)
            .chain(topic.grants.get(who))
            .chain(of_org);
        all.any(|terms| terms.is_live(now_s) && terms.rights.contains(right))
    }

    fn may_subscribe_widely(&self, who: Name, filter: Name, now_s: u64) -> bool {
        let owner = prefix_of(filter);
        let granted = self.wide.get(&(owner, who)).into_iter().flatten();
        let mut covering = granted.filter(|(wide, _)| covers(wide, filter));
        self.acts(who)
            && (owner == who
                || covering.any(|(_, terms)| {
                    terms.is_live(now_s) && terms.rights.contains(Rights::SUBSCRIBE)
                }))
    }

    fn has_key_right(&self, who: Name, name: Name, now_s: u64) -> bool {
        KEY_RIGHTS
            .iter()
            .any(|right| self.may(who, name, *right, now_s))
    }

    /// Whether an owner may seal a key to a client: as [`Model::has_key_right`], but closing ends nothing.
    fn may_be_sealed_to(&self, owner: Name, who: Name, name: Name, now_s: u64) -> bool {
        let direct = self.topics[name].grants.get(who);
        let mut all = direct.into_iter().chain(self.by_filters(owner, who, name));
        let granted = all.any(|terms| terms.is_live(now_s) && terms.has_key());
        self.acts(who) && (who == owner || granted)
    }

    /// What a rotation for `owner` comes to that names `named`, with `without`'s grant gone: nobody, if it must
    /// be refused, else the new holders.
    fn rotated(
        &self,
        name: Name,
        owner: Name,
        without: Name,
        named: &[Name],
        now_s: u64,
    ) -> Option<BTreeSet<Name>> {
        let topic = self.topics.get(name).filter(|topic| !topic.is_open)?;
        let mut holders = BTreeSet::new();
        for who in CLIENTS {
            let direct = topic.grants.get(who).filter(|_| who != without);
            let direct = direct.filter(|terms| !terms.revoked && terms.has_key());
            let must = who == owner
                || (self.acts(who) && direct.is_some_and(|terms| terms.is_live(now_s)));
            let mut wide = self.by_filters(owner, who, name).filter(|it| it.has_key());
            let may = self.acts(who) && wide.any(|terms| terms.is_live(now_s));
            let once = direct.is_some()
                || self
                    .by_filters(owner, who, name)
                    .any(|terms| terms.has_key());
            match named.iter().filter(|it| **it == who).count() {
                0 if must => return None,
                0 => {}
                1 if must || may => drop(holders.insert(who)),
                1 if once => {}
                _ => return None,
            }
        }
        Some(holders)
    }

    fn rotate(&mut self, name: Name, holders: BTreeSet<Name>) {
        let topic = self.topics.get_mut(name).unwrap();
        topic.epoch += 1;
        topic.holders.insert(topic.epoch, holders);
    }

    fn answer(&mut self, owner: Name, requester: Name, on: Name) {
        if let Some(answer @ None) = self.requests.get_mut(&(owner, requester, on)) {
            *answer = Some(true);
        }
    }
}

/// A random history; panics where the contracts and the model differ. Also says how often each call was
/// applied and refused.
pub fn play(seed: u64, steps: usize) -> (World, BTreeMap<&'static str, [usize; 2]>) {
    let mut world = World::new();
    let mut rng = StdRng::seed_from_u64(seed);
    let mut model = Model {
        roles: BTreeMap::new(),
        topics: BTreeMap::new(),
        wide: Wide::new(),
        requests: BTreeMap::new(),
        authorisations: [const { None }; AUTHORISATIONS],
        compute_keys: BTreeMap::new(),
        evaluations: BTreeMap::new(),
    };
    for who in CLIENTS {
        let role = world.certificates[who].role;
        model.roles.insert(who, role);
    }
    let mut counts = BTreeMap::new();
    for step in 0..steps {
        if rng.random_bool(0.1) {
            world.skip_s += rng.random_range(1..30);
        }
        let done = steps::step(&mut world, &mut model, &mut rng);
        let (outcome, must) = (&done.outcome, done.must);
        let what = format!("seed {seed}, step {step}: {} {:?}", done.sender, done.call);
        assert_eq!(outcome.code.is_applied(), must, "{what}: {outcome}");
        let count: &mut [usize; 2] = counts.entry(done.call.name()).or_default();
        count[usize::from(!must)] += 1;
        compare(&world, &model, &what);
    }
    (world, counts)
}

fn compare(world: &World, model: &Model, what: &str) {
    let now_s = world.view.time_ms() / 1000;
    for who in CLIENTS {
        compare_decisions(world, model, who, now_s, what);
        for owner in CLIENTS.into_iter().chain(["acme", "beta"]) {
            compare_filters(world, model, owner, who, what);
        }
        compare_upkeep(world, model, who, now_s, what);
        let requests = world.view.requests_to(&client(who), &Page::default()).value;
        let requests: Vec<_> = requests
            .iter()
            .map(|it| {
                let answer = it.request.answer.as_ref().map(|answer| answer.granted);
                (it.requester.as_str(), it.filter.as_str(), answer)
            })
            .collect();
        let known = model
            .requests
            .iter()
            .filter(|((owner, ..), _)| *owner == who);
        let known = known.map(|((_, by, on), answer)| (*by, *on, *answer));
        let known: Vec<_> = known.collect();
        assert_eq!(requests, known, "{what}: requests to {who}");
    }
    for name in TOPICS {
        compare_topic(world, model, name, what);
    }
    compute::compare_compute(world, model, what);
}

fn compare_decisions(world: &World, model: &Model, who: Name, now_s: u64, what: &str) {
    let decide = |action: Action<'_>| world.view.decide(&client(who), action, now_s * 1000);
    let connects = decide(Action::Connect).is_allowed();
    assert_eq!(connects, model.acts(who), "{what}: {who} connects");
    for name in TOPICS {
        let (topic, exact) = (topic(name), filter(name));
        for (action, right) in [
            (Action::Publish(&topic), Rights::PUBLISH),
            (Action::Subscribe(&exact), Rights::SUBSCRIBE),
            (Action::Read(&topic), Rights::READ),
            (Action::Compute(&topic), Rights::COMPUTE),
            (Action::Verify(&topic), Rights::VERIFY),
        ] {
            let decision = decide(action);
            let may = model.may(who, name, right, now_s);
            assert_eq!(decision.is_allowed(), may, "{what}: {who}: {decision:?}");
        }
    }
    for on in FILTERS {
        let decision = decide(Action::Subscribe(&filter(on)));
        let may = model.may_subscribe_widely(who, on, now_s);
        assert_eq!(decision.is_allowed(), may, "{what}: {who}: {decision:?}");
    }
    for on in ORG_FILTERS {
        assert!(
            !decide(Action::Subscribe(&filter(on))).is_allowed(),
            "{what}: {who} {on}"
        );
    }
}

/// The filters that one granted to a client: all, and in the granter's list those that aren't revoked.
fn compare_filters(world: &World, model: &Model, granter: Name, who: Name, what: &str) {
    let by = match granter.parse() {
        Ok(client) => Granter::Client(client),
        Err(_) => Granter::Org(granter.parse().unwrap()),
    };
    let known = model.wide.get(&(granter, who)).cloned().unwrap_or_default();
    let stored = world.view.wide(&client(who), &by).value.unwrap_or_default();
    let stored: Vec<_> = stored
        .grants
        .iter()
        .map(|it| {
            (
                it.filter.as_str(),
                it.grant.rights,
                it.grant.revoked.is_some(),
            )
        })
        .collect();
    let expected: Vec<_> = known
        .iter()
        .map(|(filter, it)| (*filter, it.rights, it.revoked))
        .collect();
    assert_eq!(stored, expected, "{what}: filters of {granter} to {who}");
    let listed = world.view.wide_by(&by).value;
    let listed = listed
        .iter()
        .filter(|record| record.grantee.as_str() == who);
    let expected = known.values().filter(|terms| !terms.revoked).count();
    assert_eq!(
        listed.count(),
        expected,
        "{what}: {granter}'s list of {who}"
    );
}

fn compare_topic(world: &World, model: &Model, name: Name, what: &str) {
    let entry = world.view.topic(&topic(name)).value;
    let Some(known) = model.topics.get(name) else {
        assert_eq!(entry, None, "{what}");
        return;
    };
    let entry = entry.unwrap();
    let found = (entry.owner.as_str(), entry.epoch.0, entry.closed.is_some());
    assert_eq!(found, (known.owner, known.epoch, known.is_closed), "{what}");
    for epoch in 0..=known.epoch + 1 {
        let holders = world.view.key_holders(&topic(name), KeyEpoch(epoch));
        let holders: BTreeSet<_> = holders.iter().map(ClientId::as_str).collect();
        let expected = known.holders.get(&epoch).cloned().unwrap_or_default();
        assert_eq!(holders, expected, "{what}: keys of epoch {epoch} of {name}");
    }
    let listed = world.view.grants_of_topic(&topic(name)).value;
    let listed: Vec<_> = listed.iter().map(|it| it.grantee.as_str()).collect();
    let granted = known.grants.iter().filter(|(_, terms)| !terms.revoked);
    let granted: Vec<_> = granted.map(|(who, _)| *who).collect();
    assert_eq!(listed, granted, "{what}: readers of {name}");
    let offer = world.view.offer(&topic(name)).value;
    let offered = offer.and_then(|offer| offer.to);
    let expected = known.offer.as_ref().map(|(to, _)| *to);
    assert_eq!(
        offered.as_ref().map(ClientId::as_str),
        expected,
        "{what}: offer of {name}"
    );
}

fn compare_upkeep(world: &World, model: &Model, owner: Name, now_s: u64, what: &str) {
    let page = Page::default();
    let found = world
        .view
        .upkeep_of(&client(owner), now_s * 1000, &page)
        .value;
    for name in TOPICS {
        let Some(topic) = model.topics.get(name).filter(|it| it.owner == owner) else {
            continue;
        };
        let none = BTreeSet::new();
        let holders = topic.holders.get(&topic.epoch).unwrap_or(&none);
        let is_kept = !topic.is_open && !topic.is_closed;
        let differing = |holds: bool| -> Vec<ClientId> {
            let odd = CLIENTS.into_iter().filter(|who| {
                is_kept
                    && holders.contains(who) == holds
                    && model.has_key_right(who, name, now_s) != holds
            });
            odd.map(client).collect()
        };
        let (stale, missing) = (differing(true), differing(false));
        let unkeyed = model
            .authorisations
            .iter()
            .zip(0..)
            .filter_map(|(it, number)| {
                let it = it.as_ref()?;
                let due = is_kept
                    && it.owner == owner
                    && it.is_open(now_s)
                    && it.terms.has_key()
                    && matches(it.on, name)
                    && !it.keys.contains(&(name, topic.epoch));
                due.then(|| AuthorisationId::of(authorisation_key(number).public_key()))
            });
        let unkeyed: BTreeSet<_> = unkeyed.collect();
        let entry = found.iter().find(|upkeep| upkeep.topic.as_str() == name);
        let is_stale = world
            .view
            .is_key_stale(&crate::world::topic(name), now_s * 1000);
        assert_eq!(is_stale, !stale.is_empty(), "{what}: {name} is stale");
        let Some(entry) = entry else {
            let due = (stale, missing, unkeyed);
            assert_eq!(due, Default::default(), "{what}: {name} has upkeep");
            continue;
        };
        let lacking: BTreeSet<_> = entry.missing_authorisations.iter().copied().collect();
        let due = (&entry.stale, &entry.missing, lacking);
        assert_eq!(due, (&stale, &missing, unkeyed), "{what}: upkeep of {name}");
    }
}

#[test]
fn random_histories_agree_with_the_model() {
    let mut counts = BTreeMap::<_, [usize; 2]>::new();
    for seed in 0..60 {
        for (name, count) in play(seed, 170).1 {
            let sum = counts.entry(name).or_default();
            *sum = [sum[0] + count[0], sum[1] + count[1]];
        }
    }
    // The histories reach what they are for: every call, often, both ways.
    for (name, [applied, refused]) in &counts {
        assert!(
            *applied >= 40 && *refused >= 20,
            "{name}: {applied} applied, {refused} refused"
        );
    }
    assert_eq!(counts.len(), 20, "{:?}", counts.keys());
}
