// A result receipt, verified here: that the ciphertexts are the result of a computation that the ledger recorded,
// and over which packages. It says nothing of what they open to.
import { useMutation } from "@tanstack/react-query";
import { ShieldCheck } from "lucide-react";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { useTrust, verifier } from "@/api/trust";
import { Steps, Verdict } from "@/parts/proof";
import { useRefusal } from "@/parts/refusal";
import { Button } from "@/ui/button";
import { FileField } from "@/ui/file";
import { Panel } from "@/ui/panel";
import { Refused } from "@/ui/states";
import type { Trust } from "@/verify";

/** Verifies a result receipt in the worker. */
export async function verifyResult(receipt: Uint8Array, trust: Trust) {
  const start = performance.now();
  const report = await verifier.call.verifyResult(receipt, trust);
  return { report, ms: performance.now() - start };
}

/** How a result receipt held. */
export function ResultReport({ report, ms }: Awaited<ReturnType<typeof verifyResult>>) {
  const { t } = useTranslation();
  return (
    <>
      <Verdict report={report} ms={ms} text={t("compute.receipt.holds")} />
      <Steps report={report} />
    </>
  );
}

async function verifyFile({ file, trust }: { file: File; trust: Trust }) {
  return verifyResult(new Uint8Array(await file.arrayBuffer()), trust);
}

export function ResultReceipt() {
  const { t } = useTranslation();
  const refusal = useRefusal();
  const trust = useTrust();
  const [file, setFile] = useState<File>();
  const run = useMutation({ mutationFn: verifyFile });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (file && trust) run.mutate({ file, trust });
  };
  return (
    <Panel title={t("compute.receipt.title")}>
      <form onSubmit={submit} className="flex flex-col gap-4">
        <p className="text-ink-2">{t("compute.receipt.lead")}</p>
        <FileField
          label={t("compute.receipt.file")}
          file={file}
          onFile={(chosen) => {
            setFile(chosen);
            run.reset();
          }}
        />
        <Refused error={refusal(run.error)} />
        <Button
          type="submit"
          busy={run.isPending}
          disabled={!file || !trust}
          icon={<ShieldCheck aria-hidden />}
          className="self-start"
        >
          {t("records.verify.start")}
        </Button>
        {run.data && <ResultReport {...run.data} />}
      </form>
    </Panel>
  );
}
