// State entries with their proofs, checked in this page.
import { useMutation, useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { Database, ShieldCheck } from "lucide-react";
import { type FormEvent, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { bytesOf } from "@/api/client";
import { type Answer, askLedger, ledgerPath, part, topicPart } from "@/api/ledger";
import { useTrust, verifier } from "@/api/trust";
import { fromHex } from "@/lib/format";
import { tidy } from "@/lib/params";
import { Steps, TrustPanel, Verdict } from "@/parts/proof";
import { Button } from "@/ui/button";
import { SelectField, TextField } from "@/ui/field";
import { Panel } from "@/ui/panel";
import { Empty, Loaded, Refused } from "@/ui/states";
import { Badge } from "@/ui/status";
import { HeightLink, Id } from "@/ui/value";

type Kind = "client" | "topic" | "raw";

/** The ledger's question for a name of this kind. */
function questionOf(kind: Kind, name: string): string {
  if (kind === "client") return `clients/${part(name)}`;
  return kind === "topic" ? `topics/${topicPart(name)}` : `state/${name}`;
}

export function StateLookup() {
  const { t } = useTranslation();
  const { key } = useSearch({ from: "/inside/ledger" });
  const navigate = useNavigate({ from: "/ledger" });
  const [kind, setKind] = useState<Kind>(key ? "raw" : "client");
  const [name, setName] = useState(key ?? "");
  const [asked, setAsked] = useState<{ kind: Kind; name: string } | undefined>(
    key ? { kind: "raw", name: key } : undefined,
  );
  const [wrong, setWrong] = useState(false);
  useEffect(() => {
    if (!key) return;
    setKind("raw");
    setName(key);
    setAsked({ kind: "raw", name: key });
  }, [key]);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const text = name.trim();
    const bad = kind === "raw" && !fromHex(text);
    setWrong(bad);
    if (bad || !text) return;
    setAsked({ kind, name: text });
    void navigate({
      search: tidy({ tab: "state" as const, key: kind === "raw" ? text : undefined }),
      replace: true,
    });
  };
  return (
    <div className="flex flex-col gap-4">
      <p className="max-w-[78ch] text-ink-2">{t("ledger.state.lead")}</p>
      <TrustPanel />
      <Panel>
        <form onSubmit={submit} className="grid items-end gap-3 sm:grid-cols-[12rem_minmax(0,1fr)_auto]">
          <SelectField
            label={t("ledger.state.kind")}
            value={kind}
            onChange={setKind}
            options={(["client", "topic", "raw"] as const).map((value) => ({
              value,
              text: t(`ledger.state.kinds.${value}`),
            }))}
          />
          <TextField
            label={kind === "raw" ? t("ledger.state.key") : t("ledger.state.name")}
            mono={kind === "raw"}
            placeholder={
              kind === "client"
                ? "acme.press"
                : kind === "topic"
                  ? "acme/press/temperature"
                  : t("ledger.state.keyHint")
            }
            error={wrong && t("ledger.state.keyWrong")}
            value={name}
            onChange={(event) => setName(event.target.value)}
          />
          <Button type="submit" kind="primary">
            {t("ledger.state.ask")}
          </Button>
        </form>
      </Panel>
      {asked ? (
        <Found key={`${asked.kind} ${asked.name}`} kind={asked.kind} name={asked.name} />
      ) : (
        <Panel>
          <Empty icon={Database} title={t("ledger.state.empty")}>
            {t("ledger.state.emptyText")}
          </Empty>
        </Panel>
      )}
    </div>
  );
}

function Found({ kind, name }: { kind: Kind; name: string }) {
  const { t } = useTranslation();
  const path = questionOf(kind, name);
  const query = useQuery({
    queryKey: ["ledger", "state", path],
    queryFn: ({ signal }) => askLedger<Answer<unknown>>(path, {}, signal),
  });
  return (
    <Loaded query={query} lines={6}>
      {(answer) => (
        <div className="grid items-start gap-4 xl:grid-cols-2">
          <Panel
            title={t("ledger.state.value")}
            note={
              <>
                {t("ledger.state.height")} <HeightLink height={answer.height} />
              </>
            }
          >
            {absent(answer.value) ? (
              <Badge>{t("ledger.state.absentUnproven")}</Badge>
            ) : (
              <pre tabIndex={0} className="id-text max-h-[32rem] overflow-auto break-all whitespace-pre-wrap">
                {typeof answer.value === "string" ? answer.value : JSON.stringify(answer.value, null, 2)}
              </pre>
            )}
          </Panel>
          <Panel title={t("ledger.state.keysOf")}>
            <ul className="flex flex-col gap-4">
              {answer.keys.map((key) => (
                <li key={key}>
                  <Proof stateKey={key} />
                </li>
              ))}
            </ul>
          </Panel>
        </div>
      )}
    </Loaded>
  );
}

function absent(value: unknown): boolean {
  if (value === null) return true;
  return typeof value === "object" && "topic" in value && (value as { topic: unknown }).topic === null;
}

/** A state key as text where it is text: most begin with a word. */
export function keyWords(key: string): string {
  const bytes = fromHex(key) ?? new Uint8Array();
  const text = Array.from(bytes, (byte) =>
    byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : "·",
  ).join("");
  return text.replace(/·{4,}/g, "…");
}

function Proof({ stateKey }: { stateKey: string }) {
  const { t } = useTranslation();
  const trust = useTrust();
  const run = useMutation({
    async mutationFn() {
      if (!trust) return undefined;
      const start = performance.now();
      const bytes = await bytesOf(ledgerPath(`state/${stateKey}`), "application/cbor");
      const report = await verifier.call.verifyEntry(bytes, trust);
      return { report, ms: performance.now() - start };
    },
  });
  const checked = run.data;
  const nothing = checked?.report.result?.value === null;
  return (
    <div className="flex flex-col gap-3">
      <div className="flex flex-wrap items-center gap-x-3 gap-y-1.5">
        <span className="min-w-0 flex-1 basis-56">
          <Id id={stateKey} to={<span className="break-all">{keyWords(stateKey)}</span>} />
        </span>
        <Button
          small
          icon={<ShieldCheck aria-hidden />}
          busy={run.isPending}
          disabled={!trust}
          onClick={() => run.mutate()}
        >
          {t("ledger.state.verify")}
        </Button>
      </div>
      <Refused error={run.error} />
      {checked && (
        <>
          <Verdict report={checked.report} ms={checked.ms} text={t("ledger.state.holdsText")} />
          {nothing && <p>{t("ledger.state.absent")}</p>}
          <Steps report={checked.report} />
        </>
      )}
    </div>
  );
}
