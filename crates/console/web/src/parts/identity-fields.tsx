// An identity's two files and their passphrase, as a form asks for them.
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { TextField } from "@/ui/field";
import { FileField } from "@/ui/file";

/** What was chosen so far. The files are read when the form is sent. */
export function useIdentityFiles() {
  const [key, setKey] = useState<File>();
  const [certificate, setCertificate] = useState<File>();
  const [passphrase, setPassphrase] = useState("");
  return {
    key,
    certificate,
    passphrase,
    setKey,
    setCertificate,
    setPassphrase,
    complete: Boolean(key && certificate),
    /** Key, certificate and passphrase as texts, or nothing while a file is missing. */
    async read(): Promise<[string, string, string] | undefined> {
      return key && certificate && [await key.text(), await certificate.text(), passphrase];
    },
    clear() {
      setKey(undefined);
      setCertificate(undefined);
      setPassphrase("");
    },
  };
}

export function IdentityFields({ files }: { files: ReturnType<typeof useIdentityFiles> }) {
  const { t } = useTranslation();
  return (
    <>
      <FileField label={t("signIn.key")} accept=".key,.pem" file={files.key} onFile={files.setKey} />
      <FileField
        label={t("signIn.certificate")}
        accept=".crt,.pem,.cer"
        file={files.certificate}
        onFile={files.setCertificate}
      />
      <TextField
        label={t("signIn.passphrase")}
        hint={t("signIn.passphraseHint")}
        type="password"
        value={files.passphrase}
        onChange={(event) => files.setPassphrase(event.target.value)}
      />
    </>
  );
}
