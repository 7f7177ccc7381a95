//! The steps beyond grants of single topics: filters, requests, authorisation keys and hand-overs.

use super::steps::{Done, OPERATORS, Step, is_operator};
use super::*;
use crate::rights;

impl Step<'_> {
    fn filter(&mut self) -> Name {
        if self.chance(0.15) {
            self.pick(&ORG_FILTERS)
        } else {
            self.pick(&FILTERS)
        }
    }

    /// Who may grant a filter: the client in whose prefix it lies, or an operator.
    fn granter(&mut self, on: Name) -> Name {
        let of_client = FILTERS.contains(&on) && !self.chance(0.2);
        if of_client {
            self.mostly(prefix_of(on))
        } else {
            self.pick(&OPERATORS)
        }
    }

    pub fn grant_filter(mut self) -> Done {
        let on = self.filter();
        let sender = self.granter(on);
        let grantee = self.pick(&CLIENTS);
        let (mut terms, mut wire) = self.terms();
        if is_operator(sender) && self.chance(0.8) {
            (terms.rights, wire.rights) = (Rights::VERIFY, Rights::VERIFY);
        }
        let (granter, may) = if is_operator(sender) {
            let org = org_of(sender);
            (org, org == org_of(on) && terms.rights == Rights::VERIFY)
        } else {
            let inside = FILTERS.contains(&on) && prefix_of(on) == sender;
            let may = inside && self.model.acts(sender) && grantee != sender;
            (sender, may)
        };
        let must = may && self.model.acts(grantee) && self.is_fine(&terms);
        if must {
            let pair = self.model.wide.entry((granter, grantee)).or_default();
            pair.insert(on, terms);
            self.model.answer(granter, grantee, on);
        }
        let call = GrantFilter {
            filter: filter(on),
            grantee: client(grantee),
            terms: wire,
            note: None,
        };
        self.done(sender, Call::GrantFilter(call), must)
    }

    pub fn revoke_filter(mut self) -> Done {
        let granted = self.model.wide.iter().flat_map(|((_, who), filters)| {
            let live = filters.iter().filter(|(_, terms)| !terms.revoked);
            live.map(|(filter, _)| (*filter, *who))
        });
        let granted: Vec<(Name, Name)> = granted.collect();
        let (on, grantee) = if granted.is_empty() || self.chance(0.2) {
            (self.filter(), self.pick(&CLIENTS))
        } else {
            self.pick(&granted)
        };
        let sender = self.granter(on);
        let owner = FILTERS.contains(&on).then(|| prefix_of(on));
        let granters = if is_operator(sender) {
            let org = org_of(sender);
            let inside = org == org_of(on);
            [Some(org), owner].map(|granter| granter.filter(|_| inside))
        } else {
            let own = owner.filter(|owner| *owner == sender && self.model.acts(sender));
            [own, None]
        };
        let mut must = false;
        for granter in granters.into_iter().flatten() {
            let pair = self.model.wide.get_mut(&(granter, grantee));
            let terms = pair.and_then(|filters| filters.get_mut(on));
            if let Some(terms) = terms.filter(|terms| !terms.revoked) {
                terms.revoked = true;
                must = true;
                break;
            }
        }
        self.done(sender, rights::revoke_filter(on, grantee), must)
    }

    pub fn request(mut self) -> Done {
        let on = if self.chance(0.6) {
            self.pick(&TOPICS)
        } else {
            self.filter()
        };
        let sender = self.pick(&CLIENTS);
        let (terms, wire) = self.terms();
        let owner = match self.model.topics.get(on) {
            Some(topic) => Some(topic.owner),
            None => FILTERS.contains(&on).then(|| prefix_of(on)),
        };
        let asked = owner
            .filter(|owner| *owner != sender && self.model.acts(sender) && self.is_fine(&terms));
        if let Some(owner) = asked {
            self.model.requests.insert((owner, sender, on), None);
        }
        let call = RequestRights {
            filter: filter(on),
            terms: wire,
        };
        self.done(sender, Call::RequestRights(call), asked.is_some())
    }

    pub fn deny(mut self) -> Done {
        let asked: Vec<_> = self.model.requests.keys().copied().collect();
        let (owner, requester, on) = if asked.is_empty() || self.chance(0.1) {
            let on = self.pick(&TOPICS);
            (self.model.owner(on), self.pick(&CLIENTS), on)
        } else {
            self.pick(&asked)
        };
        let sender = self.mostly(owner);
        let acts = self.model.acts(sender);
        let open = self.model.requests.get_mut(&(sender, requester, on));
        let open = open.filter(|answer| acts && answer.is_none());
        let must = open.is_some();
        if let Some(answer) = open {
            *answer = Some(false);
        }
        self.done(sender, rights::deny(on, requester), must)
    }

    /// Some keys of topics, mostly such as belong to an owner's key for `on`.
    fn topic_keys(&mut self, on: Name) -> Vec<(Name, u32)> {
        let mut keys = Vec::new();
        for name in TOPICS {
            let likely = matches(on, name) && !name.ends_with("open");
            if self.chance(if likely { 0.5 } else { 0.03 }) {
                keys.push((name, self.some_epoch(name)));
            }
        }
        keys
    }

    /// Whether all these are keys of topics that are the owner's and lie in `on`.
    fn are_covered(&self, owner: Name, on: Name, keys: &[(Name, u32)]) -> bool {
        keys.iter().all(|(name, epoch)| {
            let topic = self.model.topics.get(name);
            let is_his = topic.is_some_and(|topic| topic.owner == owner);
            is_his && matches(on, name) && self.takes_key(name, *epoch)
        })
    }

    pub fn create(mut self) -> Done {
        let number = self.rng.random_range(0..AUTHORISATIONS);
        let on = if self.chance(0.5) {
            self.pick(&TOPICS)
        } else {
            self.pick(&FILTERS)
        };
        let sender = self.mostly(self.model.owner(on));
        let (mut terms, mut wire) = self.terms();
        if self.chance(0.5) {
            (terms.expires_s, wire.expires_s) = (None, None);
        }
        let uses = self.rng.random_range(0..4);
        let until_s = self.now_s + self.rng.random_range(0..500);
        let mut given = self.topic_keys(on);
        if !terms.has_key() && self.chance(0.8) {
            given.clear();
        }
        let is_his = match self.model.topics.get(on) {
            Some(topic) => topic.owner == sender && !topic.is_closed,
            None => FILTERS.contains(&on) && prefix_of(on) == sender,
        };
        let must = self.model.acts(sender)
            && self.model.authorisations[number].is_none()
            && self.is_fine(&terms)
            && uses > 0
            && until_s > self.now_s
            && is_his
            && (terms.has_key() || given.is_empty())
            && self.are_covered(sender, on, &given);
        if must {
            self.model.authorisations[number] = Some(Authorisation {
                owner: sender,
                on,
                terms,
                uses,
                until_s,
                redeemed: BTreeSet::new(),
                is_withdrawn: false,
                keys: given.iter().copied().collect(),
            });
        }
        let call = CreateAuthorisation {
            terms: wire,
            uses,
            redeem_until_s: until_s,
            keys: wire_keys(&given),
            ..rights::authorisation(self.world, number as u8, on, Rights::READ)
        };
        self.done(sender, Call::CreateAuthorisation(call), must)
    }

    /// Mostly one that was made.
    fn authorisation(&mut self) -> usize {
        let made = (0..AUTHORISATIONS).filter(|it| self.model.authorisations[*it].is_some());
        let made: Vec<usize> = made.collect();
        if made.is_empty() || self.chance(0.05) {
            self.rng.random_range(0..AUTHORISATIONS)
        } else {
            self.pick(&made)
        }
    }

    pub fn redeem(mut self) -> Done {
        let number = self.authorisation();
        let sender = self.pick(&CLIENTS);
        let mut brought = Vec::new();
        let mut gives = None;
        if let Some(known) = &self.model.authorisations[number] {
            let (owner, on) = (known.owner, known.on);
            let held: Vec<_> = known.keys.iter().copied().collect();
            let wanted = held.into_iter().filter(|_| self.rng.random_bool(0.5));
            brought = wanted.collect();
            if self.chance(0.05) {
                brought.extend(self.topic_keys(on));
            }
            let known = self.model.authorisations[number].as_ref().unwrap();
            let still = match self.model.topics.get(on) {
                Some(topic) => topic.owner == owner && !topic.is_closed,
                None => true,
            };
            let must = self.model.acts(sender)
                && known.is_open(self.now_s)
                && !known.redeemed.contains(sender)
                && owner != sender
                && self.model.acts(owner)
                && self.is_fine(&known.terms)
                && still
                && (known.terms.has_key() || brought.is_empty())
                && self.are_covered(owner, on, &brought)
                && brought.iter().all(|key| known.keys.contains(key));
            gives = must.then(|| (owner, on, known.terms.clone()));
        }
        let must = gives.is_some();
        if let Some((owner, on, terms)) = gives {
            let known = self.model.authorisations[number].as_mut().unwrap();
            known.redeemed.insert(sender);
            match self.model.topics.get_mut(on) {
                Some(topic) => drop(topic.grants.insert(sender, terms)),
                None => {
                    let pair = self.model.wide.entry((owner, sender)).or_default();
                    pair.insert(on, terms);
                }
            }
            for (name, epoch) in &brought {
                let topic = self.model.topics.get_mut(name).unwrap();
                topic.holders.entry(*epoch).or_default().insert(sender);
            }
        }
        let keys = wire_keys(&brought);
        let call = rights::redeem(self.world, number as u8, sender, keys);
        self.done(sender, Call::RedeemAuthorisation(call), must)
    }

    pub fn withdraw(mut self) -> Done {
        let number = self.authorisation();
        let owner = self.model.authorisations[number].as_ref();
        let owner = owner.map_or(CLIENTS[0], |known| known.owner);
        let sender = self.mostly_or_operator(owner);
        let may = if is_operator(sender) {
            org_of(sender) == org_of(owner)
        } else {
            self.model.acts(sender) && sender == owner
        };
        let known = self.model.authorisations[number].as_mut();
        let open = known.filter(|known| may && !known.is_withdrawn);
        let must = open.is_some();
        if let Some(known) = open {
            known.is_withdrawn = true;
        }
        self.done(sender, rights::withdraw(number as u8), must)
    }

    pub fn transfer(mut self) -> Done {
        let name = self.topic();
        let owner = self.model.owner(name);
        let sender = self.mostly(owner);
        let to = (!self.chance(0.25)).then(|| self.pick(&CLIENTS));
        let present = self.model.epoch(name);
        let mut epochs = Vec::new();
        let sealed_topic = !name.ends_with("open");
        if (to.is_some() && sealed_topic) != self.chance(0.05) {
            let first = self.rng.random_range(0..=present);
            let last = if self.chance(0.1) {
                self.some_epoch(name)
            } else {
                present
            };
            epochs.extend(first..=last);
        }
        let fits = if sealed_topic {
            epochs.contains(&present) && epochs.iter().all(|epoch| *epoch <= present)
        } else {
            epochs.is_empty()
        };
        let topic = self.model.topics.get(name);
        let must = self.owns(sender, name)
            && topic.is_some_and(|topic| match to {
                Some(to) => !topic.is_closed && to != topic.owner && self.model.acts(to) && fits,
                None => topic.offer.is_some() && epochs.is_empty(),
            });
        if must {
            let topic = self.model.topics.get_mut(name).unwrap();
            topic.offer = to.map(|to| (to, epochs.clone()));
        }
        let key = |epoch: &u32| EpochKey {
            epoch: KeyEpoch(*epoch),
            sealed: sealed(5),
        };
        let call = TransferTopic {
            topic: topic_name(name),
            to: to.map(client),
            keys: epochs.iter().map(key).collect(),
        };
        self.done(sender, Call::TransferTopic(call), must)
    }

    pub fn accept(mut self) -> Done {
        let offered = |topic: &Topic| topic.offer.as_ref().map(|(to, _)| *to);
        let offers = self.model.topics.iter();
        let offers = offers.filter_map(|(name, topic)| Some((*name, offered(topic)?)));
        let offers: Vec<(Name, Name)> = offers.collect();
        let (name, sender) = if offers.is_empty() || self.chance(0.1) {
            (self.topic(), self.pick(&CLIENTS))
        } else {
            let (name, to) = self.pick(&offers);
            (name, self.mostly(to))
        };
        let is_open = name.ends_with("open");
        let rotates = is_open == self.chance(0.05);
        let named = self.named(name, sender, sender);
        let epoch = self.model.epoch(name);
        let rotated = self.model.rotated(name, sender, sender, &named, self.now_s);
        let topic = self.model.topics.get(name);
        let must = self.model.acts(sender)
            && topic.is_some_and(|topic| !topic.is_closed && offered(topic) == Some(sender))
            && if rotates { rotated.is_some() } else { is_open };
        if must {
            let topic = self.model.topics.get_mut(name).unwrap();
            let (_, epochs) = topic.offer.take().unwrap();
            topic.owner = sender;
            if let Some(grant) = topic.grants.get_mut(sender) {
                grant.revoked = true;
            }
            for epoch in epochs {
                topic.holders.entry(epoch).or_default().insert(sender);
            }
            if let Some(holders) = rotated.filter(|_| rotates) {
                self.model.rotate(name, holders);
            }
        }
        let call = AcceptTopic {
            topic: topic_name(name),
            rotation: rotates.then(|| rights::rotation(epoch + 1, &named)),
        };
        self.done(sender, Call::AcceptTopic(call), must)
    }
}

fn topic_name(name: Name) -> TopicName {
    crate::world::topic(name)
}

fn wire_keys(given: &[(Name, u32)]) -> Vec<TopicKey> {
    let key = |(name, epoch): &(Name, u32)| rights::topic_key(name, *epoch);
    given.iter().map(key).collect()
}
