//! Steps about compute keys and evaluations.

use super::steps::{Done, Step, is_operator};
use super::*;
use crate::compute;

const GATEWAYS: [Name; 2] = ["acme.gw", "beta.gw"];

impl Step<'_> {
    /// Mostly one that is registered.
    fn compute_key(&mut self) -> (Name, u8) {
        let known: Vec<(Name, u8)> = self.model.compute_keys.keys().copied().collect();
        if known.is_empty() || self.chance(0.1) {
            (self.pick(&CLIENTS), self.rng.random_range(0..9))
        } else {
            self.pick(&known)
        }
    }

    pub fn register_key(mut self) -> Done {
        let owner = self.pick(&CLIENTS);
        let number = self.rng.random_range(0..9);
        let sender = self.mostly(owner);
        let is_new = !self.model.compute_keys.contains_key(&(owner, number));
        let must = self.model.acts(sender) && sender == owner && is_new;
        if must {
            self.model.compute_keys.insert((owner, number), false);
        }
        self.done(sender, compute::register(owner, number), must)
    }

    pub fn retire_key(mut self) -> Done {
        let (owner, number) = self.compute_key();
        let sender = self.mostly_or_operator(owner);
        let may = if is_operator(sender) {
            org_of(sender) == org_of(owner)
        } else {
            self.model.acts(sender) && sender == owner
        };
        let retired = self.model.compute_keys.get_mut(&(owner, number));
        let live = retired.filter(|retired| may && !**retired);
        let must = live.is_some();
        if let Some(retired) = live {
            *retired = true;
        }
        let key = compute::compute_key(owner, number);
        self.done(sender, compute::retire(&key), must)
    }

    pub fn evaluate(mut self) -> Done {
        let key = self.compute_key();
        let sender = if self.chance(0.1) {
            self.pick(&CLIENTS)
        } else {
            self.pick(&GATEWAYS)
        };
        let requester = self.pick(&CLIENTS);
        let may = |model: &Model, name, now_s| model.may(requester, name, Rights::COMPUTE, now_s);
        let mut topics: Vec<Name> = Vec::new();
        for name in TOPICS {
            let likely = may(self.model, name, self.now_s);
            if self.chance(if likely { 0.6 } else { 0.05 }) {
                topics.push(name);
            }
        }
        let is_gateway =
            GATEWAYS.contains(&sender) || self.model.roles.get(sender) == Some(&Role::Gateway);
        let must = is_gateway
            && self.model.compute_keys.get(&key) == Some(&false)
            && !topics.is_empty()
            && topics.iter().all(|name| may(self.model, name, self.now_s));
        if must {
            for name in &topics {
                *self.model.evaluations.entry(name).or_default() += 1;
            }
        }
        let key = compute::compute_key(key.0, key.1);
        let mut evaluation = compute::evaluation(self.world, &key, requester, &topics);
        evaluation.gateway = client(sender);
        self.done(sender, compute::log(vec![evaluation]), must)
    }
}

pub(super) fn compare_compute(world: &World, model: &Model, what: &str) {
    for who in CLIENTS {
        let live = world.view.live_compute_keys_of(&client(who)).value;
        let live: BTreeSet<_> = live.iter().map(|it| it.id).collect();
        let known = model.compute_keys.iter();
        let known = known.filter(|((owner, _), retired)| *owner == who && !**retired);
        let known = known.map(|((owner, number), _)| compute::compute_key(owner, *number).id());
        assert_eq!(live, known.collect(), "{what}: keys of {who}");
    }
    for name in TOPICS {
        let page = Page::default();
        let logged = world
            .view
            .evaluations_of_topic(&topic(name), 0, u64::MAX, &page);
        let expected = model.evaluations.get(name).copied().unwrap_or_default();
        assert_eq!(
            logged.value.len(),
            expected,
            "{what}: evaluations of {name}"
        );
    }
}
