// The message that was verified: who sent it when, and its payload; a sealed one's content for who has the key.
import { useMutation } from "@tanstack/react-query";
import { LockOpen } from "lucide-react";
import { useTranslation } from "react-i18next";
import { certificateProof, type Held, topicKey, useHeld } from "@/api/keyring";
import { inspectMessage } from "@/envelope/message";
import { shortId, bytes as size, toHex } from "@/lib/format";
import { readable } from "@/lib/readable";
import { OwnKey } from "@/parts/own-key";
import { useRefusal } from "@/parts/refusal";
import { Button } from "@/ui/button";
import { Facts } from "@/ui/panel";
import { Refused } from "@/ui/states";
import { ClientLink, Id, Time } from "@/ui/value";
import type { Trust, VerifiedReceipt } from "@/verify";
import { type Checked, check } from "./verify";

/** Digits of a payload that are shown, from its beginning and its end. */
const HEX_SHOWN = [512, 32] as const;

export function Message(props: {
  checked: Checked;
  trust: Trust;
  sealed: boolean;
  onOpened: (checked: Checked) => void;
}) {
  const { t, i18n } = useTranslation();
  const { sealed } = props;
  const result = props.checked.report.result;
  if (!result) return null;
  const { record, message } = result;
  const text = message ? readable(message.content) : sealed ? undefined : readable(record.payload);
  const name = message
    ? "records.message.content"
    : text
      ? "records.message.text"
      : "records.message.payload";
  return (
    <section className="min-w-0 self-start rounded-lg border border-line p-4">
      <h3 className="mb-2.5 font-semibold">{t("records.message.title")}</h3>
      <Facts
        items={[
          [t("records.message.sender"), <ClientLink key="s" client={record.sender} />],
          [t("records.message.received"), <Time key="t" ms={Number(record.received_ms)} />],
          [t("records.message.qos"), String(record.qos)],
          [t("records.message.size"), size(record.payload.length, i18n.language)],
          [t("records.message.digest"), <Id key="d" id={result.digest} />],
        ]}
      />
      <div className="mt-3 mb-1 text-[0.9rem] text-ink-3">{t(name)}</div>
      <pre
        tabIndex={0}
        className="id-text max-h-40 overflow-y-auto rounded-md bg-sunken p-2.5 break-all whitespace-pre-wrap"
      >
        {text ?? shortId(toHex(message?.content ?? record.payload), ...HEX_SHOWN)}
      </pre>
      {sealed && !message && (
        <>
          <p className="mt-2 mb-3 text-[0.9rem] text-ink-2">{t("records.message.sealed")}</p>
          <OpenContent {...props} result={result} />
        </>
      )}
    </section>
  );
}

interface Asked {
  checked: Checked;
  result: VerifiedReceipt;
  trust: Trust;
  held: Held;
}

/** The same verification with one more step: the content, opened with the reader's key. */
async function openContent({ checked, result, trust, held }: Asked): Promise<Checked | null> {
  const { topic, sender, payload } = result.record;
  const [key, certificate] = await Promise.all([
    topicKey(topic, inspectMessage(payload).epoch, held, trust),
    certificateProof(sender),
  ]);
  return key && certificate && check(checked.receipt, trust, { topicKey: key, certificate });
}

function OpenContent(props: Omit<Asked, "held"> & { onOpened: (checked: Checked) => void }) {
  const { t } = useTranslation();
  const refusal = useRefusal();
  const held = useHeld();
  const open = useMutation({
    async mutationFn(reader: Held) {
      const opened = await openContent({ ...props, held: reader });
      if (!opened) throw new Error(t("ownKey.noKey", { client: reader.client }));
      return opened;
    },
    onSuccess: props.onOpened,
  });
  return (
    <div className="flex flex-col gap-3">
      {held && (
        <Button
          icon={<LockOpen aria-hidden />}
          busy={open.isPending}
          onClick={() => open.mutate(held)}
          className="self-start"
        >
          {t("records.message.with", { client: held.client })}
        </Button>
      )}
      <Refused error={refusal(open.error)} />
      <OwnKey lead={t("records.message.sealLead")} />
    </div>
  );
}
