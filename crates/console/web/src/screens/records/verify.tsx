// Verifying one message in this browser, step by step, and tampering with a copy of its receipt.
import { useMutation, useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { ChevronLeft, ChevronRight, Download, ShieldCheck } from "lucide-react";
import { type FormEvent, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { actorsQuery } from "@/api/actions";
import { bytesOf } from "@/api/client";
import { genesisQuery, usePinned, useTrust, verifier } from "@/api/trust";
import { download } from "@/lib/download";
import { tidy } from "@/lib/params";
import { Steps, Verdict } from "@/parts/proof";
import { Button, IconButton } from "@/ui/button";
import { SelectField, TextField } from "@/ui/field";
import { Panel } from "@/ui/panel";
import { Refused } from "@/ui/states";
import { Note } from "@/ui/status";
import type { MessageKeys, Report, Trust, VerifiedReceipt } from "@/verify";
import { Message } from "./message";
import { Tamper } from "./tamper";

export interface Checked {
  receipt: Uint8Array;
  report: Report<VerifiedReceipt>;
  ms: number;
}

/** Checks a receipt in the worker, and says how long it took; with `keys` its content, too. */
export async function check(receipt: Uint8Array, trust: Trust, keys?: MessageKeys): Promise<Checked> {
  const start = performance.now();
  const report = await (keys
    ? verifier.call.verifyReceipt(receipt, trust, keys)
    : verifier.call.verifyReceipt(receipt, trust));
  return { receipt, report, ms: performance.now() - start };
}

export function VerifyPanel({ id, count, sealed }: { id: string; count: number; sealed: boolean }) {
  const { t } = useTranslation();
  const search = useSearch({ from: "/inside/records/$packageId" });
  const navigate = useNavigate({ from: "/records/$packageId" });
  const trust = useTrust();
  const pinned = usePinned();
  const genesis = useQuery(genesisQuery);
  const actors = useQuery(actorsQuery).data ?? [];
  const [as, setAs] = useState("");
  const [opened, setOpened] = useState<Checked>();
  const last = count - 1;
  const index = Math.min(search.index ?? 0, last);
  const run = useMutation({
    async mutationFn(asked: { index: number; trust: Trust }) {
      const query = as ? `?as=${encodeURIComponent(as)}` : "";
      const receipt = await bytesOf(`/api/receipt/${id}/${asked.index}${query}`, "application/cbor");
      return check(receipt, asked.trust);
    },
  });
  const { reset } = run;
  // biome-ignore lint/correctness/useExhaustiveDependencies: another message, another verification
  useEffect(() => {
    reset();
    setOpened(undefined);
  }, [index, id, reset]);
  const go = (to: number) => {
    const next = Math.max(0, Math.min(last, to));
    void navigate({ search: (now) => tidy({ ...now, index: next === 0 ? undefined : next }), replace: true });
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setOpened(undefined);
    if (trust) run.mutate({ index, trust });
  };
  const readers = actors.filter((client) => !/\.(operator|gateway)$/.test(client));
  const checked = opened ?? run.data;
  return (
    <>
      <Panel title={t("records.verify.title")}>
        <p className="mb-4 max-w-[78ch] text-ink-2">{t("records.verify.lead")}</p>
        <form onSubmit={submit} className="flex flex-wrap items-end gap-3">
          <div className="flex items-end gap-1">
            <TextField
              label={t("records.verify.index")}
              type="number"
              min={0}
              max={last}
              value={String(index)}
              onChange={(event) => go(Number(event.target.value) || 0)}
              className="w-28"
            />
            <IconButton
              name={t("records.verify.previous")}
              disabled={index === 0}
              onClick={() => go(index - 1)}
            >
              <ChevronLeft aria-hidden />
            </IconButton>
            <IconButton
              name={t("records.verify.next")}
              disabled={index === last}
              onClick={() => go(index + 1)}
            >
              <ChevronRight aria-hidden />
            </IconButton>
            <span className="pb-2 text-[0.9rem] text-ink-3">{t("records.verify.of", { last })}</span>
          </div>
          <SelectField
            label={t("records.verify.as")}
            value={as}
            onChange={setAs}
            options={[
              { value: "", text: t("records.verify.asAny") },
              ...readers.map((value) => ({ value, text: value })),
            ]}
            className="min-w-52"
          />
          <Button
            type="submit"
            kind="primary"
            busy={run.isPending}
            disabled={!trust}
            icon={<ShieldCheck aria-hidden />}
          >
            {run.isPending
              ? t("records.verify.checking")
              : checked
                ? t("records.verify.again")
                : t("records.verify.start")}
          </Button>
        </form>
        <p className="mt-2 text-[0.87rem] text-ink-3">{t("records.verify.asHint")}</p>
        {!pinned && genesis.data && (
          <div className="mt-4">
            <Note tone="doubt" title={t("records.verify.unpinned")}>
              {t("records.verify.unpinnedText")}
            </Note>
          </div>
        )}
        {run.error && (
          <div className="mt-4">
            <Refused error={run.error} />
          </div>
        )}
        {checked && (
          <div className="mt-5 flex flex-col gap-5">
            <Verdict report={checked.report} ms={checked.ms} text={t("records.verify.holdsText")}>
              <Button
                icon={<Download aria-hidden />}
                title={t("records.verify.downloadHint")}
                onClick={() =>
                  download(
                    `receipt-${id.slice(0, 8)}-${index}.cbor`,
                    checked.receipt.slice(),
                    "application/cbor",
                  )
                }
              >
                {t("records.verify.download")}
              </Button>
            </Verdict>
            <div className="grid gap-6 xl:grid-cols-[minmax(0,3fr)_minmax(0,2fr)]">
              <Steps report={checked.report} />
              {checked.report.result && trust && (
                <Message checked={checked} trust={trust} sealed={sealed} onOpened={setOpened} />
              )}
            </div>
          </div>
        )}
      </Panel>
      {checked?.report.holds && trust && <Tamper receipt={checked.receipt} trust={trust} />}
    </>
  );
}
