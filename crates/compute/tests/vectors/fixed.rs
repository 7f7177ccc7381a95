//! Random bytes that any implementation can make: `SM3(seed || counter)`, counter 0, 1, … of 8 bytes,
//! big-endian, one block after the other; a word takes the next bytes, little-endian.

use std::convert::Infallible;

use rand_core::{TryCryptoRng, TryRng};
use sealwire_sm::sm3;

pub struct Fixed {
    seed: &'static str,
    counter: u64,
    left: Vec<u8>,
}

impl Fixed {
    pub fn new(seed: &'static str) -> Self {
        Self {
            seed,
            counter: 0,
            left: Vec::new(),
        }
    }
}

impl TryRng for Fixed {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for byte in bytes {
            if self.left.is_empty() {
                let block = sm3(&[self.seed.as_bytes(), &self.counter.to_be_bytes()]);
                self.left = block.as_ref().iter().rev().copied().collect();
                self.counter += 1;
            }
            *byte = self.left.pop().expect("a block has 32 bytes");
        }
        Ok(())
    }
}

impl TryCryptoRng for Fixed {}
