// Opening a result in this page. Key and evaluation are taken from the ledger with their proofs; nothing of
// the opening, not even that it failed, is sent anywhere.
import { useMutation } from "@tanstack/react-query";
import { Link, useSearch } from "@tanstack/react-router";
import { LockOpen } from "lucide-react";
import { type FormEvent, type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";
import { bytesOf } from "@/api/client";
import { ledgerPath } from "@/api/ledger";
import { useTrust } from "@/api/trust";
import { type Answer, type Bin, type OpenedResult, type Rounded, startOpener } from "@/compute";
import { computeKeyKey, evaluationId, evaluationKey, readComputed } from "@/envelope/compute";
import { toHex } from "@/lib/format";
import { TrustPanel } from "@/parts/proof";
import { useRefusal } from "@/parts/refusal";
import { Sentence } from "@/parts/sentence";
import { Button } from "@/ui/button";
import { TextField } from "@/ui/field";
import { FileField } from "@/ui/file";
import { Facts, Panel } from "@/ui/panel";
import { Refused } from "@/ui/states";
import { Badge, Note } from "@/ui/status";
import { ClientLink, HeightLink, Id } from "@/ui/value";
import type { Trust } from "@/verify";
import { useFunctionName } from "./evaluations";
import { type JobPlace, resultBytes } from "./jobs";
import { ResultReceipt } from "./receipt";

interface Asked {
  result: File | JobPlace;
  secret: File;
  passphrase: string;
  trust: Trust;
}

/** Fetches the proofs that the result's own record names, then opens it in a worker that ends with it. */
async function openHere({ result, secret, passphrase, trust }: Asked): Promise<OpenedResult> {
  const bytes =
    result instanceof File ? new Uint8Array(await result.arrayBuffer()) : await resultBytes(result);
  const { evaluation } = readComputed(bytes);
  const prove = (key: Uint8Array) => bytesOf(ledgerPath(`state/${toHex(key)}`), "application/cbor");
  const [key, record] = await Promise.all([
    prove(computeKeyKey(evaluation.job.key)),
    prove(evaluationKey(evaluationId(evaluation))),
  ]);
  const opener = startOpener();
  try {
    const text = { pem: await secret.text(), ...(passphrase ? { passphrase } : {}) };
    return await opener.call.openProven(text, bytes, { key, evaluation: record }, trust);
  } finally {
    opener.close();
  }
}

export function OpenResult() {
  const { t } = useTranslation();
  const trust = useTrust();
  const { as, gateway, job } = useSearch({ from: "/inside/compute" });
  const place = as && gateway && job ? { as, gateway, job } : undefined;
  const [file, setFile] = useState<File>();
  const result = place ?? file;
  const [secret, setSecret] = useState<File>();
  const [passphrase, setPassphrase] = useState("");
  const refusal = useRefusal();
  const run = useMutation({ mutationFn: openHere, gcTime: 0 });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (result && secret && trust) run.mutate({ result, secret, passphrase, trust });
  };
  return (
    <div className="flex flex-col gap-4">
      <TrustPanel />
      <div className="grid items-start gap-4 xl:grid-cols-2">
        <Panel title={t("compute.open.title")}>
          <form onSubmit={submit} className="flex flex-col gap-4">
            <p className="text-ink-2">{t("compute.open.lead")}</p>
            {place ? (
              <Fetched place={place} />
            ) : (
              <FileField
                label={<Hinted text={t("compute.open.result")} hint={t("compute.open.resultHint")} />}
                file={file}
                onFile={setFile}
              />
            )}
            <FileField
              label={<Hinted text={t("compute.open.secret")} hint={t("compute.open.secretHint")} />}
              file={secret}
              onFile={setSecret}
            />
            <TextField
              label={t("compute.open.passphrase")}
              type="password"
              value={passphrase}
              onChange={(event) => setPassphrase(event.target.value)}
            />
            <Refused error={refusal(run.error)} />
            <Button
              type="submit"
              kind="primary"
              busy={run.isPending}
              disabled={!result || !secret || !trust}
              icon={<LockOpen aria-hidden />}
              className="self-start"
            >
              {run.isPending ? t("compute.open.opening") : t("compute.open.submit")}
            </Button>
          </form>
        </Panel>
        {run.data ? <Opened opened={run.data} forget={run.reset} /> : <ResultReceipt />}
      </div>
    </div>
  );
}

/** The result is a job's: nobody needs to save it first. */
function Fetched({ place }: { place: JobPlace }) {
  const { t } = useTranslation();
  return (
    <div className="rounded-md bg-sunken px-3 py-2">
      <Sentence
        text={t("compute.open.fetched")}
        parts={{
          job: <Id id={place.job} />,
          gateway: <ClientLink client={place.gateway} />,
          client: <ClientLink client={place.as} />,
        }}
      />{" "}
      <Link to="/compute" search={{ tab: "open" }} className="link">
        {t("compute.open.another")}
      </Link>
    </div>
  );
}

function Hinted({ text, hint }: { text: string; hint: string }) {
  return (
    <>
      {text} <span className="font-normal text-ink-3">· {hint}</span>
    </>
  );
}

function Opened({ opened, forget }: { opened: OpenedResult; forget: () => void }) {
  const { t } = useTranslation();
  const functionName = useFunctionName();
  const { answer } = opened;
  return (
    <Panel
      title={t("compute.open.answer")}
      actions={
        <Button small onClick={forget}>
          {t("compute.open.forget")}
        </Button>
      }
    >
      <div role="status" className="flex flex-col gap-4">
        <div className="flex flex-wrap items-center gap-2">
          <Badge tone="good" icon>
            {t("compute.open.opened")}
          </Badge>
          <span className="font-medium">{functionName(answer.function)}</span>
        </div>
        <Values answer={answer} />
        <Facts
          items={[
            [t("compute.open.readings"), t("compute.readingsCount", { count: Number(answer.readings) })],
            [t("compute.column.requester"), <ClientLink key="r" client={opened.requester} />],
            [t("compute.column.gateway"), <ClientLink key="g" client={opened.gateway} />],
            [t("compute.recorded"), <HeightLink key="h" height={Number(opened.height)} />],
          ]}
        />
        <Note tone="doubt">{t("compute.open.never")}</Note>
      </div>
    </Panel>
  );
}

function Values({ answer }: { answer: Answer }) {
  const { t } = useTranslation();
  const { unit } = answer;
  const amount = (text: string, exact = true) => (
    <span className="text-[1.3rem] font-semibold">
      {text} <span className="text-[0.95rem] font-normal text-ink-3">{unit}</span>
      {!exact && (
        <span className="ms-2 text-[0.85rem] font-normal text-ink-3">{t("compute.open.rounded")}</span>
      )}
    </span>
  );
  const rounded = ({ value, exact }: Rounded) => amount(value, exact);
  const bin = ({ from, to, count }: Bin) => (
    <span>
      <Sentence text={t("compute.open.bin")} parts={{ from, to: `${to} ${unit}` }} />:{" "}
      <strong>{String(count)}</strong>
    </span>
  );
  const items: [ReactNode, ReactNode][] = [];
  switch (answer.function) {
    case "sum":
    case "weighted-sum":
      items.push([t("compute.values.sum"), amount(answer.sum)]);
      break;
    case "mean":
      items.push([t("compute.values.mean"), rounded(answer.mean)], [t("compute.values.sum"), answer.sum]);
      break;
    case "deviation":
      items.push(
        [t("compute.values.deviation"), rounded(answer.deviation)],
        [t("compute.values.mean"), answer.mean.value],
      );
      break;
    case "variance":
      items.push(
        [t("compute.values.variance"), rounded(answer.variance)],
        [t("compute.values.mean"), answer.mean.value],
      );
      break;
    case "dot":
      items.push([t("compute.values.dot"), amount(answer.dot)]);
      break;
    case "count-over":
      items.push(
        [t("compute.values.count"), amount(String(answer.count))],
        [t("compute.values.threshold"), `${answer.threshold} ${unit}`],
      );
      break;
    case "range":
      items.push(
        [t("compute.values.lowest"), bin(answer.lowest)],
        [t("compute.values.highest"), bin(answer.highest)],
      );
      break;
    case "histogram":
      return <Histogram bins={answer.bins} unit={unit} />;
    case "linear":
      return (
        <ol
          aria-label={t("compute.values.rows")}
          className="max-h-72 list-decimal overflow-y-auto rounded-md bg-sunken py-2 ps-12"
        >
          {answer.rows.map((row, index) => (
            <li key={index}>
              {row} {unit}
            </li>
          ))}
        </ol>
      );
  }
  return <Facts items={items} />;
}

function Histogram({ bins, unit }: { bins: readonly Bin[]; unit: string }) {
  const { t } = useTranslation();
  const most = bins.reduce((max, one) => (one.count > max ? one.count : max), 1n);
  return (
    <ul aria-label={t("compute.values.bins")} className="flex flex-col gap-1">
      {bins.map(({ from, to, count }) => (
        <li
          key={from}
          className="grid grid-cols-[minmax(8rem,auto)_1fr_auto] items-center gap-3 text-[0.93rem]"
        >
          <span>
            <Sentence text={t("compute.open.bin")} parts={{ from, to: `${to} ${unit}` }} />
          </span>
          <span
            aria-hidden
            className="h-3 rounded-sm bg-indigo-solid"
            style={{ width: `${Number((count * 1000n) / most) / 10}%` }}
          />
          <strong>{String(count)}</strong>
        </li>
      ))}
    </ul>
  );
}
