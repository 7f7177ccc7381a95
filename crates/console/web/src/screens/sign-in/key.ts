// Signing in with a key that stays in this page: read from its files, used for one signature, wiped.
import type { Schemas } from "@/api/client";
import { certificateFromPem, fromHex, hex, readKeyFile, type SecretKey, signSignIn } from "@/crypto";

interface Identity {
  key: SecretKey;
  /** The certificate's id, hexadecimal. */
  certificate: string;
}

/** Reads the two files of an identity. Throws a `Refusal` that says what is wrong with which. */
export async function readIdentity(
  keyPem: string,
  certificatePem: string,
  passphrase: string,
): Promise<Identity> {
  const certificate = certificateFromPem(certificatePem);
  const key = await readKeyFile(keyPem, passphrase || undefined);
  return { key, certificate: certificate.id };
}

/** What the console is sent. It names this page's own origin: a challenge of another console is no use there. */
export function signChallenge(identity: Identity, challenge: Schemas["Challenge"]): Schemas["KeySignIn"] {
  const { key, certificate } = identity;
  try {
    const signature = signSignIn(
      {
        chain: fromHex(challenge.chain),
        origin: window.location.origin,
        certificate: fromHex(certificate),
        nonce: fromHex(challenge.nonce),
      },
      key,
    );
    return { certificate, nonce: challenge.nonce, signature: hex(signature) };
  } finally {
    key.wipe();
  }
}
