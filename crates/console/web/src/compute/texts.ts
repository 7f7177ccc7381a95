// Why a result doesn't open, by code. A page translates by code. None of it may reach whoever evaluated.

import type { Texts } from "../crypto/refusal";

/** Texts of refusals to open. */
export const OPEN_TEXTS = {
  "open.key": "the evaluation is under key {evaluation}, not under {key}: take the key that its job names",
  "open.secret":
    "the secret key belongs to the public key {secret}, the compute key names {public}: take the file that was made with it",
  "open.evaluator":
    "the evaluation is by evaluator {found}, this program opens {known}: use a program that knows it",
  "open.digest":
    "the ciphertexts have digest {found}, the evaluation names {expected}: fetch the result again",
  "open.bound": "the evaluation isn't one that a gateway does, have it verified: {detail}",
  "open.shape": "the result of {function} doesn't have its shape ({detail}): have the evaluation verified",
  "open.unreadable":
    "ciphertext {index} doesn't open to a number within ±2^40: a device encrypted numbers out of bounds, or the gateway computed something else; have the evaluation verified, and tell it nothing",
  "open.impossible":
    "the result opens to {what} that {readings} readings within the declared bounds can't have: a device encrypted numbers out of bounds, or the gateway computed something else; have the evaluation verified, and tell it nothing",
  "open.proof": "the ledger's proof of the {what} doesn't hold: {step}: {detail}",
  "open.absent": "the ledger holds no such {what}",
  "open.entry": "the proven entry isn't the {what}: {detail}",
  "open.result": "the ledger holds another evaluation than the result file's: fetch the result again",
  "secret.version": "key file of version {found}: this program knows version {known}",
  "secret.scalar": "not an ElGamal secret key: 32 bytes, a number from 1 to n-1, are needed",
  "secret.length": "not a BFV secret key: it has {found} bytes, these parameters need {expected}",
  "secret.range": "not a BFV secret key: a coefficient isn't below its modulus",
  "secret.public":
    "the secret key isn't the one of the public key that its own file names: the file was changed",
  "bound.unserved": "{set} can't compute {function}",
  "bound.spec": "the key's readings: {detail}",
  "bound.arguments": "{function}: {detail}",
  "bound.overflow":
    "{function} over {readings} readings can reach {reach}, {set} holds {capacity}: ask for a shorter time range or fewer topics",
  "bound.noise":
    "{function} over {readings} readings can have {noise_bits} bits of noise, {set} bears {limit_bits}: ask for a shorter time range or smaller weights",
  "bound.reading":
    "a reading's {what} can reach {reach}, {set} holds {capacity}: declare narrower bounds or fewer decimals",
} as const satisfies Texts;
