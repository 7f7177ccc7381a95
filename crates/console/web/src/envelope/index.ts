// What Sealwire sends and stores, as far as a page reads or makes it: the formats of the `envelope` crate
// and of docs/protocol.md.
//
// | Module | What |
// |---|---|
// | `cbor` | the one encoding: codecs that read and write, and accept exactly what they write |
// | `names` | organisations, client ids, topics, filters |
// | `genesis` | the file that everything is verified from, and its chain id |
// | `block`, `receipt` | headers, certificates, state proofs, receipts, anchors, records |
// | `entry` | entries of the state: certificates, sealed topic keys |
// | `message` | COSE_Encrypt0 with COSE_Sign1 inside |
// | `login` | tokens for MQTT, signed HTTP requests |
// | `compute` | compute keys, jobs, evaluations, results |
//
// Invariants: a value has one encoding; no length is believed before its bytes are there; a `uint` is a
// bigint where it can have 64 bits. Failure: a `Refusal` with `cbor.*`, or the module's own code.

export { type Finality, type Header, headerDigest } from "./block";
export { CBOR_TEXTS, type Span } from "./cbor";
export {
  type Computed,
  type ComputeKey,
  type ComputeKeyEntry,
  computeKeyId,
  computeKeyKey,
  type Evaluation,
  type EvaluationEntry,
  evaluationId,
  evaluationKey,
  readComputed,
  readComputeKey,
  readComputeKeyEntry,
  readEvaluationEntry,
} from "./compute";
export {
  type CertificateEntry,
  type ClientEntry,
  certificateKey,
  clientKey,
  ROLES,
  readCertificateEntry,
  readClientEntry,
  readSealedKey,
  sealedKeyKey,
} from "./entry";
export { chainId, GENESIS_TEXTS, type Genesis, type OrgGenesis, readGenesis } from "./genesis";
export {
  NONCE_BYTES,
  type RequestBody,
  requestHeader,
  TOKEN_MAX_LIFE_S,
  type TokenBody,
  tokenPassword,
} from "./login";
export {
  CONTENT_TYPE_DEFAULT,
  inspectMessage,
  MESSAGE_TEXTS,
  type MessageHeader,
  type Opened,
  openMessage,
  SEQUENCE_END,
  sealMessage,
  sequenceFromClock,
} from "./message";
export { clientRule, filterRule, orgRule, topicOwner, topicRule } from "./names";
export {
  type Anchor,
  type ArchivedRecord,
  type PackageRecord,
  type ProvenEntry,
  packageKey,
  type Receipt,
  readArchivedRecord,
  readPackageRecord,
  readProvenEntry,
  readReceipt,
} from "./receipt";
