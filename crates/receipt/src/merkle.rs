//! A Merkle tree of RFC 6962 shape over SM3: the root of a package, the root of a block's
//! transactions, and the paths that lead to them.
//!
//! The tree over the leaves `d[0] … d[n-1]` (byte strings) is, after RFC 6962 §2.1 with SM3
//! (GB/T 32905) in the place of SHA-256:
//!
//! ```text
//! leaf(d)        = SM3(0x00 || d)
//! node(l, r)     = SM3(0x01 || l || r)
//! root()         = SM3("")                            the empty tree
//! root(d0)       = leaf(d0)
//! root(d[0..n])  = node(root(d[0..k]), root(d[k..n]))  k = largest power of two below n
//! ```
//!
//! A *path* for leaf `i` of `n` lists the siblings from the leaf upwards. Verification is the
//! algorithm of RFC 9162 §2.1.3.2: it takes the size as well as the index, so that a path has
//! exactly one acceptable length and a node can't be passed off as a leaf of a smaller tree.
//! The size itself isn't bound by the root; whoever signs or anchors a root anchors the count
//! beside it, and the verifier compares the two.

use sealwire_sm::{Sm3Digest, sm3};
use thiserror::Error;

/// Longest path that verification accepts, in nodes. 2^48 leaves are more than a package or a
/// block can hold.
pub const PATH_NODES_MAX: usize = 48;

/// Most leaves that a tree may claim, in leaves.
pub const LEAVES_MAX: u64 = 1 << PATH_NODES_MAX;

/// Why a path doesn't lead from a leaf to a root.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum PathError {
    /// The index isn't below the number of leaves.
    #[error("leaf index {index} isn't below the number of leaves, {size}")]
    Index {
        /// Index that was claimed.
        index: u64,
        /// Number of leaves that was claimed.
        size: u64,
    },
    /// The tree claims more leaves than [`LEAVES_MAX`].
    #[error("{size} leaves are more than a tree may have ({LEAVES_MAX})")]
    Size {
        /// Number of leaves that was claimed.
        size: u64,
    },
    /// A path of this index and size has another length.
    #[error("the path for leaf {index} of {size} has {expected} nodes, {found} were given")]
    Length {
        /// Index that was claimed.
        index: u64,
        /// Number of leaves that was claimed.
        size: u64,
        /// Nodes that such a path has.
        expected: usize,
        /// Nodes that were given.
        found: usize,
    },
    /// The path is well formed and leads to another root.
    #[error("the path leads to root {computed}, not to {expected}")]
    Root {
        /// Root that was expected.
        expected: Sm3Digest,
        /// Root that the path leads to.
        computed: Sm3Digest,
    },
}

/// Digest of a leaf: `SM3(0x00 || data)`.
pub fn leaf(data: &[u8]) -> Sm3Digest {
    sm3(&[&[0x00], data])
}

/// Digest of an inner node: `SM3(0x01 || left || right)`.
pub fn node(left: &Sm3Digest, right: &Sm3Digest) -> Sm3Digest {
    sm3(&[&[0x01], &left.0, &right.0])
}

/// Root of the tree over these leaf digests, in order. The empty tree has the root `SM3("")`.
pub fn root(leaves: &[Sm3Digest]) -> Sm3Digest {
    match leaves {
        [] => sm3(&[]),
        [only] => *only,
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            node(&root(left), &root(right))
        }
    }
}

/// Root of the tree whose leaves hold these byte strings, in order.
pub fn root_of<T: AsRef<[u8]>>(items: impl IntoIterator<Item = T>) -> Sm3Digest {
    let leaves: Vec<_> = items.into_iter().map(|item| leaf(item.as_ref())).collect();
    root(&leaves)
}

/// Siblings of leaf `index`, from the leaf upwards; `None` if there is no such leaf.
pub fn path(leaves: &[Sm3Digest], index: usize) -> Option<Vec<Sm3Digest>> {
    if index >= leaves.len() {
        return None;
    }
    let (mut subtree, mut index, mut siblings) = (leaves, index, Vec::new());
    while subtree.len() > 1 {
        let middle = split(subtree.len());
        let (left, right) = subtree.split_at(middle);
        if index < middle {
            siblings.push(root(right));
            subtree = left;
        } else {
            siblings.push(root(left));
            subtree = right;
            index -= middle;
        }
    }
    siblings.reverse();
    Some(siblings)
}

/// Check that `leaf` (a leaf digest, see [`leaf()`]) is leaf `index` of the `size` leaves under
/// `root`, by its `path`.
///
/// # Errors
/// [`PathError`] if the index or the size is out of range, the path has another length than
/// this index and size demand, or it leads to another root.
pub fn verify(
    root: &Sm3Digest,
    leaf: &Sm3Digest,
    index: u64,
    size: u64,
    path: &[Sm3Digest],
) -> Result<(), PathError> {
    if size > LEAVES_MAX {
        return Err(PathError::Size { size });
    }
    if index >= size {
        return Err(PathError::Index { index, size });
    }
    let expected = path_length(index, size);
    if path.len() != expected {
        let found = path.len();
        return Err(PathError::Length {
            index,
            size,
            expected,
            found,
        });
    }
    let (mut at, mut last, mut computed) = (index, size - 1, *leaf);
    for sibling in path {
        if at & 1 == 1 || at == last {
            computed = node(sibling, &computed);
            // A last node without a right sibling rises until it is a right child.
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            computed = node(&computed, sibling);
        }
        at >>= 1;
        last >>= 1;
    }
    if computed == *root {
        Ok(())
    } else {
        Err(PathError::Root {
            expected: *root,
            computed,
        })
    }
}

/// Number of nodes in the path for leaf `index` of `size`, for `index < size`.
fn path_length(index: u64, size: u64) -> usize {
    // Up to the height where the paths of this leaf and the last leaf meet, every level has a
    // sibling; above it, only those where this path is a right child.
    let inner = u64::BITS - (index ^ (size - 1)).leading_zeros();
    let border = index.checked_shr(inner).map_or(0, u64::count_ones);
    (inner + border) as usize
}

/// Largest power of two below `count`, for `count >= 2`.
fn split(count: usize) -> usize {
    1 << (usize::BITS - 1 - (count - 1).leading_zeros())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(count: usize) -> Vec<Sm3Digest> {
        (0..count)
            .map(|i| leaf(format!("leaf {i}").as_bytes()))
            .collect()
    }

    #[test]
    fn pinned_vectors() {
        let roots: Vec<String> = [0, 1, 2, 3, 5, 8, 1000]
            .iter()
            .map(|&n| root(&leaves(n)).to_string())
            .collect();
        assert_eq!(roots, VECTORS);
    }

    /// Roots over the leaves "leaf 0", "leaf 1", … for 0, 1, 2, 3, 5, 8 and 1000 leaves; computed
    /// by a second implementation (Python's `hashlib` over OpenSSL's SM3).
    const VECTORS: [&str; 7] = [
        "1ab21d8355cfa17f8e61194831e81a8f22bec8c728fefb747ed035eb5082aa2b",
        "265a931c3d9e95aeffdd1d3653fdc5ddc0c50100e656bdef4aeba09fd43bebea",
        "5f4c609d311545d17cf002108167c248f9b8bfbc2c468a17456da04f90588c53",
        "2965a6112b6c5f59ef9ccf6521d05e3c271b2a47c436809b195d184271df25bb",
        "c13c464e890216c2d123e16161d8d3251c47ccf8558e521640527fefe8059799",
        "358e702f0cb7f0de71d163d1594684df3f69bfb3104a498f4bc694510d47f35f",
        "5525b529383c923634de5f9ff65b012c371585903f51c887018c313be1ac84fc",
    ];

    #[test]
    fn shape_is_rfc_6962s() {
        let l = leaves(7);
        let expected = node(
            &node(&node(&l[0], &l[1]), &node(&l[2], &l[3])),
            &node(&node(&l[4], &l[5]), &l[6]),
        );
        assert_eq!(root(&l), expected);
        assert_eq!(root(&l[..1]), l[0]);
        assert_eq!(root_of(["leaf 0", "leaf 1"]), node(&l[0], &l[1]));
    }

    #[test]
    fn every_leaf_of_every_small_tree_verifies_and_nothing_else_does() {
        for size in 1..70usize {
            let l = leaves(size);
            let top = root(&l);
            for index in 0..size {
                let p = path(&l, index).expect("in range");
                let (i, n) = (index as u64, size as u64);
                assert_eq!(p.len(), path_length(i, n), "{index} of {size}");
                verify(&top, &l[index], i, n, &p).expect("own path verifies");
                for other in (0..size as u64).filter(|other| *other != i) {
                    assert!(
                        verify(&top, &l[index], other, n, &p).is_err(),
                        "{other} for {index}"
                    );
                }
                for at in 0..p.len() {
                    let mut bad = p.clone();
                    bad[at].0[at % 32] ^= 1;
                    assert!(matches!(
                        verify(&top, &l[index], i, n, &bad),
                        Err(PathError::Root { .. })
                    ));
                }
                let long: Vec<_> = p.iter().copied().chain([top]).collect();
                assert!(matches!(
                    verify(&top, &l[index], i, n, &long),
                    Err(PathError::Length { .. })
                ));
            }
            assert_eq!(path(&l, size), None);
        }
    }

    #[test]
    fn absurd_claims_are_refused() {
        let l = leaf(b"x");
        assert_eq!(
            verify(&l, &l, 0, 0, &[]),
            Err(PathError::Index { index: 0, size: 0 })
        );
        assert_eq!(
            verify(&l, &l, 1, 1, &[]),
            Err(PathError::Index { index: 1, size: 1 })
        );
        let size = LEAVES_MAX + 1;
        assert_eq!(verify(&l, &l, 0, size, &[]), Err(PathError::Size { size }));
        let deep = vec![l; PATH_NODES_MAX];
        assert!(matches!(
            verify(&l, &l, 0, LEAVES_MAX, &deep),
            Err(PathError::Root { .. })
        ));
        assert!(matches!(
            verify(&l, &l, LEAVES_MAX - 1, LEAVES_MAX, &deep[1..]),
            Err(PathError::Length { .. })
        ));
        assert!(verify(&l, &l, u64::MAX, u64::MAX, &deep).is_err());
    }

    #[test]
    fn an_inner_node_is_no_leaf() {
        let l = leaves(4);
        let inner = node(&l[2], &l[3]);
        // The root of the four leaves is also the root of a two leaf tree over the inner nodes:
        // the size is what tells them apart, and the leaf digest of data never has the 0x01 tag.
        verify(&root(&l), &inner, 1, 2, &[node(&l[0], &l[1])]).expect("same shape");
        assert_ne!(leaf(&[l[2].0, l[3].0].concat()), inner);
    }
}
