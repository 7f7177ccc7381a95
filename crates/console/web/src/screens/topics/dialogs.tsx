// Granting, taking back, changing the key, closing.
import { type FormEvent, type ReactNode, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { useAct } from "@/api/actions";
import { api, ok } from "@/api/client";
import { ClientField } from "@/parts/client-field";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { TextField } from "@/ui/field";
import { Refused } from "@/ui/states";
import { toast } from "@/ui/toast";
import { type Chosen, NOTHING, TermsFields, termsOf } from "./terms";

export function GrantDialog(props: {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  topic: string;
  owner: string;
  to: string | undefined;
}) {
  const { t } = useTranslation();
  const { open, onOpenChange } = props;
  const [topic, setTopic] = useState("");
  const [to, setTo] = useState("");
  const [chosen, setChosen] = useState<Chosen>(NOTHING);
  const act = useAct(
    () =>
      ok(
        api.POST("/api/actions/topics/grant", {
          body: { as: props.owner, topic: topic.trim(), to: to.trim(), ...termsOf(chosen) },
        }),
      ),
    () => {
      toast(t("topics.grant.done", { client: to.trim(), topic: topic.trim() }));
      onOpenChange(false);
    },
  );
  const { reset } = act;
  useEffect(() => {
    if (!open) return;
    setTopic(props.topic);
    setTo(props.to ?? "");
    setChosen(NOTHING);
    reset();
  }, [open, props.topic, props.to, reset]);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    act.mutate(undefined);
  };
  return (
    <Dialog
      open={open}
      onOpenChange={onOpenChange}
      title={t("topics.grant.title")}
      lead={t("topics.grant.lead")}
    >
      <form onSubmit={submit} className="flex flex-col gap-4">
        <ClientField
          label={t("topics.grant.to")}
          hint={t("topics.grant.toHint")}
          value={to}
          onChange={setTo}
        />
        <TextField
          label={t("topics.grant.topic")}
          hint={t("topics.grant.topicHint")}
          value={topic}
          onChange={(event) => setTopic(event.target.value)}
        />
        <TermsFields chosen={chosen} onChange={setChosen} />
        <Refused error={act.error} />
        <div className="flex justify-end gap-2">
          <Button onClick={() => onOpenChange(false)}>{t("ui.cancel")}</Button>
          <Button
            type="submit"
            kind="primary"
            busy={act.isPending}
            disabled={!to.trim() || chosen.rights.length === 0}
          >
            {t("topics.grant.submit")}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

/** An act that is named, explained and then done; with a word about why where it takes one. */
export function Confirm<T>(props: {
  open: boolean;
  close: () => void;
  title: ReactNode;
  lead: ReactNode;
  submit: ReactNode;
  danger?: boolean;
  word?: ReactNode;
  act: (word: string) => Promise<T>;
  done: string;
}) {
  const { t } = useTranslation();
  const [word, setWord] = useState("");
  const act = useAct(props.act, () => {
    toast(props.done);
    props.close();
  });
  const { reset } = act;
  useEffect(() => {
    if (!props.open) return;
    setWord("");
    reset();
  }, [props.open, reset]);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    act.mutate(word.trim());
  };
  return (
    <Dialog
      open={props.open}
      onOpenChange={(open) => !open && props.close()}
      title={props.title}
      lead={props.lead}
    >
      <form onSubmit={submit} className="flex flex-col gap-4">
        {props.word && (
          <TextField label={props.word} value={word} onChange={(event) => setWord(event.target.value)} />
        )}
        <Refused error={act.error} />
        <div className="flex justify-end gap-2">
          <Button onClick={props.close}>{t("ui.cancel")}</Button>
          <Button type="submit" kind={props.danger ? "danger" : "primary"} busy={act.isPending}>
            {props.submit}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
