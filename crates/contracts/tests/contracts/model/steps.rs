//! One random call each: what it is, and whether the model says that it must be applied.

use sealwire_contracts::Outcome;

use super::*;
use crate::rights;

pub struct Done {
    pub outcome: Outcome,
    pub must: bool,
    pub sender: Name,
    pub call: Call,
}

/// A call under way: its block isn't made yet.
pub(super) struct Step<'s> {
    pub world: &'s mut World,
    pub model: &'s mut Model,
    pub rng: &'s mut StdRng,
    /// Time of the call's block, Unix seconds.
    pub now_s: u64,
}

pub fn step(world: &mut World, model: &mut Model, rng: &mut StdRng) -> Done {
    let now_s = world.now_s();
    let which = rng.random_range(0..27);
    let step = Step {
        world,
        model,
        rng,
        now_s,
    };
    match which {
        0..=1 => step.register(),
        // For ever: seldom.
        2 if step.rng.random_bool(0.3) => step.close(),
        2..=5 => step.grant(),
        6..=7 => step.revoke(),
        8..=9 => step.grant_filter(),
        10 => step.revoke_filter(),
        11 => step.request(),
        12 => step.deny(),
        13 => step.create(),
        14..=15 => step.redeem(),
        16 => step.withdraw(),
        17 => step.transfer(),
        18..=19 => step.accept(),
        20 => step.rotate(),
        21..=22 => step.seal(),
        23..=24 => step.evaluate(),
        25 if step.rng.random_bool(0.6) => step.register_key(),
        25 => step.retire_key(),
        _ => step.certificate(),
    }
}

pub(super) const OPERATORS: [Name; 2] = ["acme.op", "beta.op"];

pub(super) fn is_operator(who: Name) -> bool {
    OPERATORS.contains(&who)
}

impl Step<'_> {
    pub fn chance(&mut self, of_one: f64) -> bool {
        self.rng.random_bool(of_one)
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.rng.random_range(0..from.len())]
    }

    /// Mostly whom it concerns, sometimes another client.
    pub fn mostly(&mut self, likely: Name) -> Name {
        if self.chance(0.9) {
            likely
        } else {
            self.pick(&CLIENTS)
        }
    }

    /// As [`Step::mostly`], sometimes an operator.
    pub fn mostly_or_operator(&mut self, likely: Name) -> Name {
        if self.chance(0.2) {
            self.pick(&OPERATORS)
        } else {
            self.mostly(likely)
        }
    }

    /// Mostly a topic that is registered.
    pub fn topic(&mut self) -> Name {
        let known: Vec<Name> = self.model.topics.keys().copied().collect();
        if known.is_empty() || self.chance(0.05) {
            self.pick(&TOPICS)
        } else {
            self.pick(&known)
        }
    }

    /// Random terms, some of them bad: no rights, or expired.
    pub fn terms(&mut self) -> (Terms, GrantTerms) {
        let wanted = RIGHTS.into_iter().filter(|_| self.rng.random_bool(0.4));
        let rights = wanted.fold(Rights::NONE, |rights, right| rights | right);
        let late = self.rng.random_range(0..40);
        let expires_s = self.chance(0.4).then_some(self.now_s + late);
        let terms = Terms {
            rights,
            expires_s,
            revoked: false,
        };
        let wire = GrantTerms {
            rights,
            expires_s,
            purpose: "test".into(),
            ..GrantTerms::default()
        };
        (terms, wire)
    }

    pub fn is_fine(&self, terms: &Terms) -> bool {
        !terms.rights.is_empty() && terms.is_live(self.now_s)
    }

    /// A registered topic of an acting sender's own.
    pub fn owns(&self, sender: Name, name: Name) -> bool {
        let topic = self.model.topics.get(name);
        self.model.acts(sender) && topic.is_some_and(|topic| topic.owner == sender)
    }

    /// Whether a sealed topic has reached an epoch.
    pub fn takes_key(&self, name: Name, epoch: u32) -> bool {
        let topic = self.model.topics.get(name);
        topic.is_some_and(|topic| !topic.is_open && epoch <= topic.epoch)
    }

    /// Some epoch; one in ten hasn't begun.
    pub fn some_epoch(&mut self, name: Name) -> u32 {
        let epoch = self.model.epoch(name);
        if self.chance(0.1) {
            epoch + 1
        } else {
            self.rng.random_range(0..=epoch)
        }
    }

    /// Clients to name in a rotation: mostly such that it must be applied, if there are any.
    pub fn named(&mut self, name: Name, owner: Name, without: Name) -> Vec<Name> {
        let subset = |bits: u32| -> Vec<Name> {
            let numbered = CLIENTS.into_iter().zip(0..);
            let chosen = numbered.filter(|(_, bit)| bits >> bit & 1 == 1);
            chosen.map(|(who, _)| who).collect()
        };
        let right: Vec<u32> = (0..1 << CLIENTS.len())
            .filter(|bits| {
                let named = subset(*bits);
                let holders = self.model.rotated(name, owner, without, &named, self.now_s);
                holders.is_some()
            })
            .collect();
        if right.is_empty() || self.chance(0.15) {
            let mut named = subset(self.rng.random_range(0..16));
            named.push(self.pick(&CLIENTS));
            return named;
        }
        let bits = self.pick(&right);
        subset(bits)
    }

    pub fn done(self, sender: Name, call: Call, must: bool) -> Done {
        let outcome = self.world.run(sender, call.clone());
        Done {
            outcome,
            must,
            sender,
            call,
        }
    }

    fn register(mut self) -> Done {
        let name = self.pick(&TOPICS);
        let sender = self.mostly(prefix_of(name));
        let is_open = name.ends_with("open");
        let call = if is_open {
            claim_open(name)
        } else {
            claim(name)
        };
        let must = self.model.acts(sender)
            && prefix_of(name) == sender
            && !self.model.topics.contains_key(name);
        if must {
            let holders = if is_open {
                None
            } else {
                Some((0, [sender].into()))
            };
            let topic = Topic {
                owner: sender,
                is_open,
                is_closed: false,
                epoch: 0,
                grants: BTreeMap::new(),
                holders: holders.into_iter().collect(),
                offer: None,
            };
            self.model.topics.insert(name, topic);
        }
        self.done(sender, Call::RegisterTopic(call), must)
    }

    fn close(mut self) -> Done {
        let name = self.topic();
        let sender = self.mostly_or_operator(self.model.owner(name));
        let owner = self.model.owner(name);
        let may = if is_operator(sender) {
            org_of(sender) == org_of(owner)
        } else {
            self.owns(sender, name)
        };
        let topic = self.model.topics.get_mut(name);
        let must = topic.as_ref().is_some_and(|it| may && !it.is_closed);
        if let Some(topic) = topic.filter(|_| must) {
            topic.is_closed = true;
        }
        self.done(sender, rights::close_topic(name), must)
    }

    fn grant(mut self) -> Done {
        let name = self.topic();
        let sender = self.mostly(self.model.owner(name));
        let grantee = self.pick(&CLIENTS);
        let (terms, wire) = self.terms();
        let present = self.model.epoch(name);
        let epoch = if self.chance(0.05) {
            present + 1
        } else {
            present
        };
        let needed = !name.ends_with("open") && terms.has_key();
        let brings = needed != self.chance(0.05);
        let must = self.owns(sender, name)
            && grantee != sender
            && self.model.acts(grantee)
            && self.is_fine(&terms)
            && (epoch, brings) == (present, needed);
        if must {
            let topic = self.model.topics.get_mut(name).unwrap();
            topic.grants.insert(grantee, terms);
            if needed {
                topic.holders.entry(epoch).or_default().insert(grantee);
            }
            self.model.answer(sender, grantee, name);
        }
        let call = GrantTopic {
            rights: wire.rights,
            expires_s: wire.expires_s,
            epoch: KeyEpoch(epoch),
            sealed_key: brings.then(|| sealed(2)),
            ..crate::world::grant(name, grantee)
        };
        self.done(sender, Call::GrantTopic(call), must)
    }

    fn revoke(mut self) -> Done {
        let granted = |topic: &Topic| topic.grants.values().any(|terms| !terms.revoked);
        let topics = self.model.topics.iter();
        let with: Vec<Name> = topics
            .filter(|(_, topic)| granted(topic))
            .map(|(name, _)| *name)
            .collect();
        let name = if with.is_empty() {
            self.topic()
        } else {
            self.pick(&with)
        };
        let sender = self.mostly_or_operator(self.model.owner(name));
        let grants = self.model.topics.get(name).map(|topic| &topic.grants);
        let known: Vec<Name> = grants.into_iter().flatten().map(|(who, _)| *who).collect();
        let grantee = if known.is_empty() || self.chance(0.1) {
            self.pick(&CLIENTS)
        } else {
            self.pick(&known)
        };
        let owner = self.model.owner(name);
        let rotates = !name.ends_with("open") && !is_operator(sender) && !self.chance(0.2);
        let rotates = rotates != self.chance(0.05);
        let named = self.named(name, owner, grantee);
        let epoch = self.model.epoch(name);
        let rotated = self.model.rotated(name, owner, grantee, &named, self.now_s);
        let topic = self.model.topics.get(name);
        let is_granted = topic
            .and_then(|topic| topic.grants.get(grantee))
            .is_some_and(|terms| !terms.revoked);
        let holds = topic
            .and_then(|topic| topic.holders.get(&epoch))
            .is_some_and(|holders| holders.contains(grantee));
        let must = is_granted
            && if is_operator(sender) {
                org_of(sender) == org_of(owner) && !rotates
            } else {
                self.owns(sender, name) && if rotates { rotated.is_some() } else { !holds }
            };
        if must {
            let topic = self.model.topics.get_mut(name).unwrap();
            topic.grants.get_mut(grantee).unwrap().revoked = true;
            if let Some(holders) = rotated.filter(|_| rotates) {
                self.model.rotate(name, holders);
            }
        }
        let call = RevokeGrant {
            topic: crate::world::topic(name),
            grantee: client(grantee),
            rotation: rotates.then(|| rights::rotation(epoch + 1, &named)),
        };
        self.done(sender, Call::RevokeGrant(call), must)
    }

    fn rotate(mut self) -> Done {
        let name = self.topic();
        let sender = self.mostly(self.model.owner(name));
        let owner = self.model.owner(name);
        let named = self.named(name, owner, "");
        let epoch = self.model.epoch(name);
        let next = epoch + if self.chance(0.1) { 2 } else { 1 };
        let rotated = self.model.rotated(name, owner, "", &named, self.now_s);
        let must = self.owns(sender, name) && rotated.is_some() && next == epoch + 1;
        if must {
            self.model.rotate(name, rotated.unwrap());
        }
        self.done(sender, rights::rotate(name, next, &named), must)
    }

    fn seal(mut self) -> Done {
        let name = self.topic();
        let owner = self.model.owner(name);
        let who = self.pick(&CLIENTS);
        let sender = if self.chance(0.3) {
            who
        } else {
            self.mostly(owner)
        };
        let epoch = self.some_epoch(name);
        let fits = self.model.acts(sender) && self.takes_key(name, epoch);
        if self.chance(0.3) {
            let number = self.rng.random_range(0..AUTHORISATIONS);
            let known = self.model.authorisations[number].as_mut();
            let entitled = |it: &&mut Authorisation| {
                let is_his = it.owner == owner && sender == owner;
                is_his && it.is_open(self.now_s) && it.terms.has_key() && matches(it.on, name)
            };
            let open = known.filter(entitled).filter(|_| fits);
            let must = open.is_some();
            if let Some(authorisation) = open {
                authorisation.keys.insert((name, epoch));
            }
            let key = authorisation_key(number as u8);
            return self.done(
                sender,
                rights::seal_to_authorisation(name, &key, epoch),
                must,
            );
        }
        let held = self.model.topics.get(name).is_some_and(|topic| {
            let holders = topic.holders.get(&epoch);
            holders.is_some_and(|holders| holders.contains(who))
        });
        let must = fits
            && if sender == owner {
                self.model.may_be_sealed_to(owner, who, name, self.now_s)
            } else {
                who == sender && held
            };
        if must {
            let topic = self.model.topics.get_mut(name).unwrap();
            topic.holders.entry(epoch).or_default().insert(who);
        }
        self.done(sender, rights::seal_to(name, who, epoch), must)
    }

    /// Revokes a live certificate, or registers a new one in some role; sometimes the other way round.
    fn certificate(mut self) -> Done {
        let who = self.pick(&CLIENTS);
        let gone = CLIENTS.into_iter().find(|who| !self.model.acts(who));
        let who = gone.filter(|_| self.chance(0.5)).unwrap_or(who);
        let operator = if who.starts_with("acme") {
            "acme.op"
        } else {
            "beta.op"
        };
        let is_live = self.model.roles.contains_key(who);
        if is_live == self.chance(0.65) {
            if is_live {
                self.model.roles.remove(who);
            }
            let call = revoke_certificate(self.world.id_of(who));
            return self.done(operator, call, is_live);
        }
        let role = self.pick(&[
            Role::Device,
            Role::Device,
            Role::Device,
            Role::User,
            Role::User,
            Role::Gateway,
        ]);
        let certificate = self.world.certify(who, role, VALID_S);
        let call = register(certificate.der());
        let outcome = self.world.run(operator, call.clone());
        if !is_live {
            self.model.roles.insert(who, role);
        }
        if outcome.code.is_applied() {
            self.world.certificates.insert(who.into(), certificate);
        }
        Done {
            outcome,
            must: !is_live,
            sender: operator,
            call,
        }
    }
}
