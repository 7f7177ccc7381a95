// What verification has to say, by code: what held, and what didn't. A page translates by code.

import type { Texts } from "../crypto/refusal";

/** Texts of steps that held. */
export const HELD_TEXTS = {
  "held.format": "version {version}, {bytes} bytes in the one encoding",
  "held.genesis": "chain {chain}, {validators} validators, {quorum} must sign",
  "held.headers": "block {block} of height {height} belongs to the chain",
  "held.headers.linked":
    "block {block} of height {height} belongs to the chain, and {above} more lead up to the certified one",
  "held.certificate": "{signers} signed: {count} of {validators} validators, {quorum} are needed",
  "held.state": "state {root} holds {bytes} bytes under the key",
  "held.state.absent": "state {root} holds nothing under the key",
  "held.anchor":
    "package {package} of topic {topic} with {count} records, anchored by {gateway} at height {height}",
  "held.path": "record {record} is number {index} of {count} under root {root}",
  "held.record": "received from {sender} at {received_ms} ms, {payload_bytes} bytes",
  "held.message":
    "{sender} signed the content ({content_type}, {content_bytes} bytes), number {sequence} of key epoch {epoch}",
  "held.evaluation":
    "evaluation {evaluation}: {function} for {requester} by {gateway}, recorded at height {height}",
  "held.result": "{count} ciphertexts have the digest {digest} that the evaluation names",
  "held.inputs": "{inputs} inputs over {packages} packages, each anchored in time by {gateway}",
} as const satisfies Texts;

/** Texts of steps that failed. */
export const FAILED_TEXTS = {
  "format.version": "the document has version {found}, known is {known}",
  "genesis.pinned": "the genesis file is of chain {found}, pinned is {pinned}",
  "genesis.pin": "the pinned chain id isn't 64 hexadecimal digits",
  "finality.chain": "the header of height {height} belongs to chain {found}, not to {expected}",
  "finality.version": "the header of height {height} has version {found}, known is {known}",
  "finality.validators":
    "the header of height {height} is under validator set {found}, genesis has {expected}",
  "finality.headers": "{count} headers were given, there must be 1 to {most}",
  "finality.link": "the header of height {height} doesn't follow the one of height {before}: its {what}",
  "finality.subject":
    "the certificate is for another block than the one of height {height}: its {what} differs",
  "finality.bitmap": "the certificate's bitmap of {bytes} bytes doesn't fit {validators} validators",
  "finality.signatures": "the certificate has {signatures} signatures for {signers} signers",
  "finality.quorum": "{signers} of {validators} validators signed, {quorum} are needed",
  "finality.signature": "the signature of {org}'s validator over the header of height {height} is wrong",
  "state.leaves": "the proof claims a log of {leaves} operations, more than can be",
  "state.location": "the proof's operation {location} isn't below the log's length, {leaves}",
  "state.inactive": "operation {location} isn't active: the value was replaced or deleted since",
  "state.peaks": "the proof claims {found} inactive peaks of {peaks}",
  "state.partial": "the proof and a log of {leaves} operations disagree on a last, incomplete chunk",
  "state.chunk": "the activity bits don't have the digest that the proof carries for them",
  "state.digests": "the proof has {found} digests, an operation there needs {expected}",
  "state.value": "the proof's value has {bytes} bytes, the limit is {limit}",
  "state.span": "the proof of absence doesn't span key digest {key}",
  "state.last": "the proof of an empty state is about operation {location}, not the last of {leaves}",
  "state.root": "the proof leads to state root {computed}, not to {expected}",
  "state.contradiction": "the document gives a value and a proof that there is none, or the other way round",
  "anchor.absent": "the receipt proves that its package is absent from the ledger",
  "anchor.key":
    "the proven entry isn't the anchor of a package: it lies under another key than its package's",
  "anchor.height":
    "the proven entry isn't the anchor of a package: it says that it was written after the block whose state holds it",
  "anchor.malformed": "the proven entry isn't the anchor of a package: {detail}",
  "path.index":
    "the record isn't where the receipt says: index {index} isn't below the number of records, {count}",
  "path.size": "{count} records are more than a package may have ({most})",
  "path.length": "the path for record {index} of {count} has {expected} nodes, {found} were given",
  "path.root": "the path leads to root {computed}, not to {expected}",
  "record.malformed": "the record is in the package, but it is no record: {detail}",
  "record.topic": "the record is in the package, but it is of topic {found}, the package of {expected}",
  "record.sender": "the record is in the package, but the package doesn't name its sender, {sender}",
  "record.time": "the record is in the package, but its time, {received_ms} ms, isn't within the package's",
  "message.refused": "{detail}",
  "message.certificate": "the proven entry isn't the certificate of {sender}: {detail}",
  "message.time":
    "the certificate of {sender} doesn't count for what was received at {received_ms} ms: take the one of that time",
  "message.sender": "the message is by {found}, the record by {expected}",
  "evaluation.absent": "the receipt proves that its evaluation is absent from the ledger",
  "evaluation.malformed": "the proven entry isn't an evaluation: {detail}",
  "evaluation.key": "the proven entry isn't an evaluation: it lies under another key than its own",
  "evaluation.height":
    "the proven entry isn't an evaluation: it says that it was written after the block whose state holds it",
  "result.digest": "the ciphertexts have digest {found}, the ledger's evaluation names {expected}",
  "inputs.count": "the receipt has packages of {found} inputs, the evaluation has {expected} inputs",
  "inputs.package": "package {place} of {topic}: {detail}",
  "inputs.topic":
    "package {package} isn't one that the evaluation is over: it is of {found}, not of {expected}",
  "inputs.gateway":
    "package {package} isn't one that the evaluation is over: {found} anchored it, not {expected}",
  "inputs.height":
    "package {package} isn't one that the evaluation is over: it was anchored at height {found}, after {height}",
  "inputs.time":
    "package {package} isn't one that the evaluation is over: it is of {from_ms} to {to_ms} ms, outside the input's time",
  "inputs.order":
    "package {package} isn't one that the evaluation is over: it isn't in order, or there twice",
  "inputs.root":
    "{topic}: the receipt has {found} packages with root {root}, the evaluation is over {expected} with root {expected_root}",
  internal: "the verifier stopped at an error of its own: {detail}",
} as const satisfies Texts;
