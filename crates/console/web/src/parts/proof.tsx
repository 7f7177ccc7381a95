// A verification shown step by step, and what it rests on: the genesis that the user pinned.
import { useMutation, useQuery } from "@tanstack/react-query";
import { Check, ChevronDown, Minus, ShieldCheck, ShieldX, X } from "lucide-react";
import { type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";
import { digestOf, genesisQuery, pin, usePinned } from "@/api/trust";
import { cx } from "@/lib/cx";
import { Button } from "@/ui/button";
import { FileField } from "@/ui/file";
import { Panel } from "@/ui/panel";
import { Loaded } from "@/ui/states";
import { Badge, Note } from "@/ui/status";
import { Id } from "@/ui/value";
import type { Report, Step } from "@/verify";
import { useProofText } from "./refusal";

const STATUS: Record<Step["status"], { icon: ReactNode; text: "held" | "failed" | "notReached" }> = {
  held: { icon: <Check className="size-4 text-white" strokeWidth={3} aria-hidden />, text: "held" },
  failed: { icon: <X className="size-4 text-white" strokeWidth={3} aria-hidden />, text: "failed" },
  "not-reached": { icon: <Minus className="size-4 text-ink-3" aria-hidden />, text: "notReached" },
};

export function Steps({ report }: { report: Report<unknown> }) {
  const { t } = useTranslation();
  return (
    <ol aria-label={t("records.verify.steps")} className="relative">
      {report.steps.map((step, index) => (
        <StepLine key={step.name} step={step} last={index === report.steps.length - 1} />
      ))}
    </ol>
  );
}

function StepLine({ step, last }: { step: Step; last: boolean }) {
  const { t } = useTranslation();
  const text = useProofText();
  const [open, setOpen] = useState(false);
  const status = STATUS[step.status];
  return (
    <li
      className={cx(
        "relative flex gap-3 pb-3.5",
        !last &&
          "before:absolute before:top-6 before:bottom-0 before:start-[0.68rem] before:w-px before:bg-line",
      )}
    >
      <span
        className={cx(
          "z-[1] mt-0.5 flex size-[1.4rem] shrink-0 items-center justify-center rounded-full",
          step.status === "held" && "bg-bamboo-solid",
          step.status === "failed" && "bg-cinnabar-solid",
          step.status === "not-reached" && "border border-line bg-surface",
        )}
      >
        {status.icon}
      </span>
      <div className="min-w-0 flex-1">
        <div className="flex flex-wrap items-baseline gap-x-2">
          <span className={cx("font-medium", step.status === "not-reached" && "text-ink-3")}>
            {t(`records.verify.step.${step.name}`)}
          </span>
          <span className="text-[0.86rem] text-ink-3">{t(`records.verify.${status.text}`)}</span>
          {step.shown.length > 0 && (
            <button
              type="button"
              aria-expanded={open}
              onClick={() => setOpen(!open)}
              className="ms-auto inline-flex items-center gap-1 text-[0.86rem] link"
            >
              {t("records.verify.shown")}
              <ChevronDown
                className={cx("size-3.5 transition-transform", open && "rotate-180")}
                aria-hidden
              />
            </button>
          )}
        </div>
        {step.detail && (
          <p
            className={cx(
              "text-[0.92rem] break-words",
              step.status === "failed" ? "font-medium text-cinnabar" : "text-ink-2",
            )}
          >
            {text(step)}
          </p>
        )}
        {open && (
          <dl className="mt-2 flex max-h-72 flex-col gap-1.5 overflow-y-auto rounded-md bg-sunken p-2.5">
            {step.shown.map((shown, index) => (
              <div key={index}>
                <dt className="text-[0.82rem] text-ink-3">
                  {[shown.label, shown.of].filter(Boolean).join(" · ")}
                </dt>
                <dd className="id-text break-all">{shown.hex}</dd>
              </div>
            ))}
          </dl>
        )}
      </div>
    </li>
  );
}

/** What a verification came to, in one look. */
export function Verdict(props: {
  report: Report<unknown>;
  ms?: number;
  /** What it means that all steps hold. */
  text: string;
  children?: ReactNode;
}) {
  const { report, ms, text, children } = props;
  const { t } = useTranslation();
  const Icon = report.holds ? ShieldCheck : ShieldX;
  return (
    <div
      role="status"
      className={cx(
        "flex flex-wrap items-center gap-x-4 gap-y-2 rounded-lg border px-4 py-3.5",
        report.holds ? "border-bamboo-solid/45 bg-bamboo-soft" : "border-cinnabar-solid/45 bg-cinnabar-soft",
      )}
    >
      <Icon
        className={cx("size-9 shrink-0", report.holds ? "text-bamboo" : "text-cinnabar")}
        strokeWidth={1.6}
        aria-hidden
      />
      <div className="min-w-0 flex-1 basis-64">
        <div className="text-[1.15rem] leading-tight font-semibold">
          {t(report.holds ? "records.verify.holds" : "records.verify.fails")}
          {ms !== undefined && (
            <span className="ms-2 text-[0.88rem] font-normal text-ink-2">
              {t("records.verify.took", { ms: Math.round(ms) })}
            </span>
          )}
        </div>
        <p className="text-[0.95rem] text-ink-2">{report.holds ? text : t("records.verify.failsText")}</p>
      </div>
      {children}
    </div>
  );
}

/** The pin, and how to set it. */
export function TrustPanel() {
  const { t } = useTranslation();
  const query = useQuery(genesisQuery);
  return (
    <Panel title={t("records.pin.title")}>
      <Loaded query={query} lines={2} small>
        {(genesis) => <Pin chain={genesis.chain} />}
      </Loaded>
    </Panel>
  );
}

function Pin({ chain }: { chain: string }) {
  const { t } = useTranslation();
  const pinned = usePinned();
  if (pinned === chain)
    return (
      <div className="flex flex-wrap items-center gap-x-3 gap-y-2">
        <Badge tone="good" icon>
          {t("records.pin.pinned")}
        </Badge>
        <Id id={chain} />
        <span className="text-[0.92rem] text-ink-2">{t("records.pin.matches")}</span>
        <Button small kind="ghost" className="ms-auto" onClick={() => pin(null)}>
          {t("records.pin.unpin")}
        </Button>
      </div>
    );
  return (
    <div className="flex flex-col gap-3">
      {pinned ? (
        <Note
          tone="bad"
          role="alert"
          title={t("records.pin.differs")}
          actions={
            <Button small onClick={() => pin(null)}>
              {t("records.pin.unpin")}
            </Button>
          }
        >
          {t("records.pin.differsText")}
        </Note>
      ) : (
        <Note tone="doubt" title={t("records.pin.none")}>
          {t("records.pin.noneText")}
        </Note>
      )}
      <div>
        <div className="text-[0.9rem] text-ink-3">{t("records.pin.digest")}</div>
        <Id id={chain} whole />
      </div>
      {!pinned && (
        <div className="flex flex-wrap items-end gap-3">
          <Button kind="primary" onClick={() => pin(chain)}>
            {t("records.pin.pin")}
          </Button>
          <OwnFile chain={chain} />
        </div>
      )}
    </div>
  );
}

/** Comparing with a genesis file that the user has by another way. */
function OwnFile({ chain }: { chain: string }) {
  const { t } = useTranslation();
  const text = useProofText();
  const [file, setFile] = useState<File>();
  const compare = useMutation({
    mutationFn: async (chosen: File) => digestOf(new Uint8Array(await chosen.arrayBuffer())),
    onSuccess: (digest) => digest === chain && pin(digest),
  });
  const why =
    compare.error &&
    t("records.pin.ownWrong", { why: text({ code: "", values: {}, detail: compare.error.message }) });
  const other = compare.data && compare.data !== chain && t("records.pin.ownOther", { digest: compare.data });
  return (
    <div className="min-w-56 flex-1">
      <FileField
        label={t("records.pin.own")}
        accept=".json,application/json"
        file={file}
        error={why || other}
        onFile={(chosen) => {
          setFile(chosen);
          if (chosen) compare.mutate(chosen);
        }}
      />
    </div>
  );
}
