//! The usual scene: a device with a sealed topic, and a reader of another organisation.

use mqtt5::types::ReasonCode;
use sealwire_envelope::TopicName;
use sealwire_gateway::{Config, Running};
use sealwire_sm::sm4;

use super::{Person, World, sealed, wire::Wire};

pub struct Scene {
    pub world: World,
    pub gateway: Running,
    pub owner: Person,
    pub reader: Person,
    pub topic: TopicName,
    pub key: sm4::Key,
}

/// A device with a sealed topic, and a reader of another organisation that has no right yet.
pub async fn scene() -> Scene {
    scene_with(|_| ()).await
}

/// The same, at a gateway of another configuration.
pub async fn scene_with(configure: impl FnOnce(&mut Config)) -> Scene {
    let world = World::new();
    let mut config = world.config();
    configure(&mut config);
    let gateway = world.gateway_with(config).await;
    let owner = world.device("press-7");
    let reader = world.user("analyst");
    let topic = owner.topic("temperature");
    let key = sm4::Key::generate(&mut rand::rng());
    world.register(&owner, &topic, Some(&key));
    Scene {
        world,
        gateway,
        owner,
        reader,
        topic,
        key,
    }
}

impl Scene {
    pub fn payload(&self, sequence: u64) -> Vec<u8> {
        sealed(&self.owner, &self.topic, &self.key, 0, sequence, b"21.5")
    }

    pub async fn owner(&self) -> Wire {
        Wire::login(&self.world, self.gateway.mqtt_addr, &self.owner).await
    }

    pub async fn reader(&self) -> Wire {
        Wire::login(&self.world, self.gateway.mqtt_addr, &self.reader).await
    }
}

pub fn refused((code, text): (ReasonCode, String), expected: ReasonCode, words: &str) {
    assert_eq!(code, expected, "{text}");
    assert!(text.contains(words), "'{text}' doesn't say '{words}'");
}
