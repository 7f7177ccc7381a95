// Ids, times, amounts: shown short, copied whole.
import { Link } from "@tanstack/react-router";
import { Check, Copy as CopyIcon } from "lucide-react";
import { type ReactNode, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { useNow } from "@/lib/clock";
import { cx } from "@/lib/cx";
import * as format from "@/lib/format";
import { IconButton } from "./button";
import { Tip } from "./tip";

/** How long a copy button says that it copied, in milliseconds. */
const COPIED_MS = 1_500;

export function Copy({ text, name }: { text: string; name?: string }) {
  const { t } = useTranslation();
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), COPIED_MS);
    return () => clearTimeout(timer);
  }, [copied]);
  const copy = () => navigator.clipboard.writeText(text).then(() => setCopied(true));
  return (
    <IconButton
      small
      name={copied ? t("ui.copied") : (name ?? t("ui.copy"))}
      onClick={(event) => {
        event.preventDefault();
        event.stopPropagation();
        void copy();
      }}
    >
      {copied ? <Check aria-hidden className="text-bamboo" /> : <CopyIcon aria-hidden />}
    </IconButton>
  );
}

/** A hexadecimal id. */
export function Id({ id, whole, to }: { id: string; whole?: boolean; to?: ReactNode }) {
  return (
    <span className="inline-flex max-w-full items-center gap-0.5">
      <Tip text={<span className="id-text break-all">{id}</span>}>
        <span className={cx("id-text", whole && "break-all")}>{to ?? (whole ? id : format.shortId(id))}</span>
      </Tip>
      <Copy text={id} />
    </span>
  );
}

/** A client, with the way to its page. */
export function ClientLink({ client, copy }: { client: string; copy?: boolean }) {
  const cut = client.indexOf(".") + 1;
  return (
    <span className="inline-flex max-w-full items-center gap-0.5">
      <Link to="/devices/$client" params={{ client }} className="min-w-0 font-medium break-all link">
        <span className="font-normal text-ink-3">{client.slice(0, cut)}</span>
        {client.slice(cut)}
      </Link>
      {copy && <Copy text={client} />}
    </span>
  );
}

/** A topic or filter, with the way to its page. */
export function TopicLink({ topic }: { topic: string }) {
  return (
    <Link to="/topics" search={{ topic }} className="break-all link">
      {topic}
    </Link>
  );
}

/** A block's height, with the way to the block. */
export function HeightLink({ height }: { height: number }) {
  const { i18n } = useTranslation();
  return (
    <Link to="/ledger/blocks/$height" params={{ height: String(height) }} className="link">
      {format.number(height, i18n.language)}
    </Link>
  );
}

/** A time in the local zone; UTC on hover and focus. */
export function Time({ ms, ago }: { ms: number; ago?: boolean }) {
  return (
    <Tip text={format.utcTime(ms)}>
      <time dateTime={new Date(ms).toISOString()} className="whitespace-nowrap">
        {ago ? <Ago ms={ms} /> : format.localTime(ms)}
      </time>
    </Tip>
  );
}

function Ago({ ms }: { ms: number }) {
  const { i18n } = useTranslation();
  return format.relative(ms, useNow(), i18n.language);
}

/** A number with grouping. */
export function Num({ value }: { value: number }) {
  const { i18n } = useTranslation();
  return format.number(value, i18n.language);
}

/** Something to be typed into a terminal, or a text to be taken along. */
export function Code({ text, label }: { text: string; label?: ReactNode }) {
  return (
    <div className="min-w-0">
      {label && <div className="mb-1 text-[0.88rem] text-ink-3">{label}</div>}
      <div className="flex items-start gap-1 rounded-md border border-line bg-sunken py-1.5 ps-3 pe-1.5">
        <code className="id-text min-w-0 flex-1 break-all whitespace-pre-wrap">{text}</code>
        <Copy text={text} />
      </div>
    </div>
  );
}
