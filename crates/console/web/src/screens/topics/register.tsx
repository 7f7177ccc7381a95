// Registering a topic for a device or user.
import { useNavigate } from "@tanstack/react-router";
import { type FormEvent, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { useAct } from "@/api/actions";
import { api, ok } from "@/api/client";
import { useSession } from "@/api/session";
import { useWord } from "@/parts/badges";
import { ClientField } from "@/parts/client-field";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { Segmented, TextField } from "@/ui/field";
import { Refused } from "@/ui/states";
import { toast } from "@/ui/toast";

interface Props {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  client: string | undefined;
  topic: string | undefined;
}

/** The prefix of a client's topics. */
function prefixOf(client: string): string {
  return `${client.replace(".", "/")}/`;
}

export function RegisterDialog({ open, onOpenChange, client, topic: wanted }: Props) {
  const { t } = useTranslation();
  const word = useWord();
  const navigate = useNavigate();
  const { console } = useSession();
  const [owner, setOwner] = useState("");
  const [topic, setTopic] = useState("");
  const [mode, setMode] = useState<"sealed" | "open">("sealed");
  const act = useAct(
    () =>
      ok(
        api.POST("/api/actions/topics/register", {
          body: { as: owner.trim(), topic: topic.trim(), open: mode === "open" },
        }),
      ),
    () => {
      toast(t("topics.register.done", { topic: topic.trim() }));
      onOpenChange(false);
      void navigate({ to: "/topics", search: { topic: topic.trim() } });
    },
  );
  const { reset } = act;
  useEffect(() => {
    if (!open) return;
    const [org, name] = wanted?.split("/") ?? [];
    const first = client ?? (org && name ? `${org}.${name}` : "");
    setOwner(first);
    setTopic(first && wanted?.startsWith(prefixOf(first)) ? wanted : first ? prefixOf(first) : "");
    reset();
  }, [open, client, wanted, reset]);
  const prefix = prefixOf(owner.trim() || `${console.org}.name`);
  const choose = (next: string) => {
    if (topic === "" || topic === prefixOf(owner))
      setTopic(/^[^.]+\.[^.]+$/.test(next) ? prefixOf(next) : "");
    setOwner(next);
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    act.mutate(undefined);
  };
  return (
    <Dialog
      open={open}
      onOpenChange={onOpenChange}
      title={t("topics.register.title")}
      lead={t("topics.register.lead")}
    >
      <form onSubmit={submit} className="flex flex-col gap-4">
        <ClientField label={t("topics.register.as")} value={owner} onChange={choose} />
        <TextField
          label={t("topics.register.topic")}
          hint={t("topics.register.topicHint", { prefix })}
          value={topic}
          onChange={(event) => setTopic(event.target.value)}
        />
        <div>
          <div className="mb-1 text-[0.92rem] font-medium">{t("topics.register.mode")}</div>
          <Segmented
            label={t("topics.register.mode")}
            value={mode}
            onChange={setMode}
            options={(["sealed", "open"] as const).map((value) => ({ value, text: word("mode", value) }))}
          />
          <p className="mt-1 text-[0.87rem] text-ink-3">{t(`topics.register.${mode}`)}</p>
        </div>
        <Refused error={act.error} />
        <div className="flex justify-end gap-2">
          <Button onClick={() => onOpenChange(false)}>{t("ui.cancel")}</Button>
          <Button type="submit" kind="primary" busy={act.isPending} disabled={!owner.trim() || !topic.trim()}>
            {t("topics.register.submit")}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
