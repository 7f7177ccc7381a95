//! MQTT topic names and filters (MQTT 5.0 §4.7), and what a filter covers.
//!
//! | Type | Wildcards |
//! |---|---|
//! | [`TopicName`] | none |
//! | [`TopicFilter`] | `+` (one level), `#` (the rest, last level only) |
//!
//! Both are 1 to [`TOPIC_MAX_BYTES`] bytes of UTF-8 in at most [`TOPIC_MAX_LEVELS`] levels, without
//! control characters, and don't start with `$` (the broker's own topics). Shared subscriptions
//! (`$share/…`) are taken apart before they get here.

use crate::id::{ClientId, NameError, OrgId, text_type};

/// Longest topic, in bytes of UTF-8. MQTT allows 65,535; nobody needs them.
pub const TOPIC_MAX_BYTES: usize = 256;
/// Most levels of a topic.
pub const TOPIC_MAX_LEVELS: usize = 16;

const NAME_RULE: &str = "a topic name: 1 to 256 bytes, at most 16 levels, no '+', '#', control characters or leading '$'";
const FILTER_RULE: &str =
    "a topic filter: as a topic name, but '+' may be a level and '#' the last";

fn sound(text: &str) -> bool {
    (1..=TOPIC_MAX_BYTES).contains(&text.len())
        && !text.starts_with('$')
        && !text.chars().any(char::is_control)
        && text.split('/').count() <= TOPIC_MAX_LEVELS
}

/// A topic as one publishes to it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicName(std::sync::Arc<str>);
text_type!(TopicName);

impl TopicName {
    fn check(text: &str) -> Result<(), NameError> {
        if sound(text) && !text.contains(['+', '#']) {
            Ok(())
        } else {
            Err(NameError::new(text, NAME_RULE))
        }
    }

    /// Its levels, from the left.
    pub fn levels(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// The client in whose prefix it lies: `acme/press-7/temperature` is `acme.press-7`'s.
    pub fn owner(&self) -> Option<ClientId> {
        let mut levels = self.levels();
        let (org, name) = (levels.next()?, levels.next()?);
        levels.next().filter(|rest| !rest.is_empty())?;
        format!("{org}.{name}").parse().ok()
    }

    /// As a filter that matches only this topic.
    pub fn to_filter(&self) -> TopicFilter {
        TopicFilter(self.0.clone())
    }
}

/// A topic, or a set of topics, as one subscribes to it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicFilter(std::sync::Arc<str>);
text_type!(TopicFilter);

impl TopicFilter {
    fn check(text: &str) -> Result<(), NameError> {
        let last = text.split('/').count().saturating_sub(1);
        let wildcards = text.split('/').enumerate().all(|(i, level)| match level {
            "+" => true,
            "#" => i == last,
            _ => !level.contains(['+', '#']),
        });
        if sound(text) && wildcards {
            Ok(())
        } else {
            Err(NameError::new(text, FILTER_RULE))
        }
    }

    /// Its levels, from the left.
    pub fn levels(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// The topic it is, when it has no wildcard.
    pub fn to_name(&self) -> Option<TopicName> {
        TopicName::check(&self.0)
            .ok()
            .map(|()| TopicName(self.0.clone()))
    }

    /// The client in whose prefix every topic lies that it can match; none where there may be several.
    pub fn owner(&self) -> Option<ClientId> {
        let mut levels = self.levels();
        let (org, name) = (levels.next()?, levels.next()?);
        levels.next().filter(|rest| !rest.is_empty())?;
        format!("{org}.{name}").parse().ok()
    }

    /// The organisation in whose prefix every topic lies that it can match; none where there may be
    /// several.
    pub fn org(&self) -> Option<OrgId> {
        let mut levels = self.levels();
        let org = levels.next()?;
        levels.next()?;
        org.parse().ok()
    }

    /// Whether a message on `name` goes to a subscriber of this filter (§4.7.1).
    pub fn matches(&self, name: &TopicName) -> bool {
        self.covers(&name.to_filter())
    }

    /// Whether every topic that `other` matches is matched by this filter.
    pub fn covers(&self, other: &Self) -> bool {
        // '#' is every topic, and every topic has a first level: '+/#' is the same set.
        if self.as_str() == "+/#" {
            return true;
        }
        let mut theirs = other.levels();
        for ours in self.levels() {
            match (ours, theirs.next()) {
                // '#' also matches the level above it (§4.7.1.2).
                ("#", _) => return true,
                (_, None) | (_, Some("#")) => return false,
                ("+", Some(_)) => {}
                (level, Some(their)) if level == their => {}
                _ => return false,
            }
        }
        theirs.next().is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(text: &str) -> TopicFilter {
        text.parse().unwrap()
    }

    #[test]
    fn names_and_filters_are_checked() {
        for good in ["a", "a/b", "a//b", "/", "a/b/"] {
            assert!(good.parse::<TopicName>().is_ok(), "{good}");
            assert!(good.parse::<TopicFilter>().is_ok(), "{good}");
        }
        for bad in ["", "a/+", "a/#", "a\0b", "$SYS/x", "a\nb"] {
            assert!(bad.parse::<TopicName>().is_err(), "{bad:?}");
        }
        for good in ["#", "+", "a/+/b", "a/#", "+/+"] {
            assert!(good.parse::<TopicFilter>().is_ok(), "{good}");
        }
        for bad in ["", "a+", "a/#/b", "a#", "#a", "$share/g/a", "\u{7f}"] {
            assert!(bad.parse::<TopicFilter>().is_err(), "{bad:?}");
        }
        assert!("a/".repeat(16).parse::<TopicName>().is_err());
        assert!("a".repeat(257).parse::<TopicName>().is_err());
    }

    #[test]
    fn covering() {
        for (wide, narrow) in [
            ("a/b", "a/b"),
            ("a/+", "a/b"),
            ("a/+", "a/+"),
            ("#", "a/b"),
            ("a/#", "a"),
            ("a/#", "a/b/c"),
            ("a/#", "a/#"),
            ("a/#", "a/+/c"),
            ("+/b", "a/b"),
            ("+/#", "a/#"),
        ] {
            assert!(
                filter(wide).covers(&filter(narrow)),
                "{wide} covers {narrow}"
            );
        }
        for (narrow, wide) in [
            ("a/b", "a/+"),
            ("a/+", "a/#"),
            ("a/b", "a/b/c"),
            ("a/+", "a"),
            ("a/b/#", "a/#"),
            ("a/+", "a/b/c"),
            ("+", "#"),
            ("a/b", "a/c"),
        ] {
            assert!(
                !filter(narrow).covers(&filter(wide)),
                "{narrow} doesn't cover {wide}"
            );
        }
    }

    /// Covering agrees with matching on every topic of a small alphabet.
    #[test]
    fn covering_is_what_matching_says() {
        let levels = ["a", "b", "+", "#"];
        let mut filters = vec![];
        for a in levels {
            filters.push(a.to_owned());
            for b in levels {
                filters.push(format!("{a}/{b}"));
                filters.extend(levels.map(|c| format!("{a}/{b}/{c}")));
            }
        }
        let filters: Vec<TopicFilter> = filters.iter().filter_map(|f| f.parse().ok()).collect();
        let plain = ["a", "b", "c"];
        let mut names: Vec<String> = plain.map(str::to_owned).to_vec();
        for _ in 0..3 {
            let longer: Vec<String> = names
                .iter()
                .flat_map(|n| plain.map(|p| format!("{n}/{p}")))
                .collect();
            names.extend(longer);
        }
        names.sort();
        names.dedup();
        let names: Vec<TopicName> = names.iter().map(|n| n.parse().unwrap()).collect();
        for wide in &filters {
            for narrow in &filters {
                let all = names
                    .iter()
                    .filter(|n| narrow.matches(n))
                    .all(|n| wide.matches(n));
                assert_eq!(wide.covers(narrow), all, "{wide} covers {narrow}");
            }
        }
    }

    #[test]
    fn the_owner_is_in_the_name() {
        let owner = |text: &str| text.parse::<TopicName>().unwrap().owner();
        assert_eq!(
            owner("acme/press-7/t"),
            Some("acme.press-7".parse().unwrap())
        );
        assert_eq!(owner("acme/press-7"), None);
        assert_eq!(owner("acme/press-7/"), None);
        assert_eq!(owner("Acme/press-7/t"), None);
        for (text, client, org) in [
            ("acme/press-7/#", Some("acme.press-7"), Some("acme")),
            ("acme/press-7/+/t", Some("acme.press-7"), Some("acme")),
            ("acme/press-7", None, Some("acme")),
            ("acme/+/t", None, Some("acme")),
            ("acme/#", None, Some("acme")),
            ("acme", None, None),
            ("+/press-7/t", None, None),
            ("#", None, None),
        ] {
            let found = filter(text);
            assert_eq!(found.owner(), client.map(|c| c.parse().unwrap()), "{text}");
            assert_eq!(found.org(), org.map(|o| o.parse().unwrap()), "{text}");
        }
    }
}
