//! Unsigned LEB128, shortest form: seven bits per byte, least significant group first, the high
//! bit set on all bytes but the last. The encoding of lengths and counters in the store's
//! operations and the engine's votes.

/// Append `value` to `bytes`.
pub(crate) fn put(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::put;

    #[test]
    fn values_on_the_borders() {
        for (value, expected) in [
            (0, vec![0]),
            (0x7f, vec![0x7f]),
            (0x80, vec![0x80, 0x01]),
            (300, vec![0xac, 0x02]),
            (0x3fff, vec![0xff, 0x7f]),
            (0x4000, vec![0x80, 0x80, 0x01]),
            (u64::MAX, [vec![0xff; 9], vec![0x01]].concat()),
        ] {
            let mut bytes = Vec::new();
            put(&mut bytes, value);
            assert_eq!(bytes, expected, "{value}");
        }
    }
}
