// Enrolling one device with its key in the console's home: for trying out, and for users here.
import { Link } from "@tanstack/react-router";
import { type FormEvent, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { useAct } from "@/api/actions";
import { api, ok, type Schemas } from "@/api/client";
import { useSession } from "@/api/session";
import { useWord } from "@/parts/badges";
import { Sentence } from "@/parts/sentence";
import { Button, buttonClass } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { Segmented, TextField } from "@/ui/field";
import { Refused } from "@/ui/states";
import { Note } from "@/ui/status";
import { HeightLink } from "@/ui/value";

/** A client's name without its organisation, as docs/protocol.md has it. */
const NAME = /^[a-z0-9][a-z0-9_-]{0,63}$/;

const DAYS_DEFAULT = "365";

export function EnrolOne(props: { open: boolean; onOpenChange: (open: boolean) => void; operator: boolean }) {
  const { t } = useTranslation();
  const { console } = useSession();
  const word = useWord();
  const [name, setName] = useState("");
  const [role, setRole] = useState<"device" | "user">("device");
  const [days, setDays] = useState(DAYS_DEFAULT);
  const [tried, setTried] = useState(false);
  const client = `${console.org}.${name || "…"}`;
  const enrol = useAct((asked: Schemas["EnrolClient"]) =>
    ok(api.POST("/api/actions/enrol", { body: asked })),
  );
  const { reset } = enrol;
  useEffect(() => {
    if (!props.open) return;
    setName("");
    setTried(false);
    reset();
  }, [props.open, reset]);
  const wrong = tried && !NAME.test(name);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    if (NAME.test(name)) enrol.mutate({ client, role, days: Number(days) || undefined });
  };
  const done = enrol.data;
  return (
    <Dialog
      open={props.open}
      onOpenChange={props.onOpenChange}
      title={t("devices.enrol.title")}
      lead={done ? undefined : t("devices.enrol.lead")}
    >
      {done ? (
        <Enrolled done={done} device={role === "device"} another={() => reset()} />
      ) : (
        <form onSubmit={submit} className="flex flex-col gap-4">
          <TextField
            label={t("devices.enrol.name")}
            hint={t("devices.enrol.nameHint", { id: client })}
            error={wrong && t("devices.enrol.nameWrong")}
            value={name}
            onChange={(event) => setName(event.target.value)}
            autoFocus
          />
          <div>
            <div className="mb-1 text-[0.92rem] font-medium">{t("devices.enrol.role")}</div>
            <Segmented
              label={t("devices.enrol.role")}
              value={role}
              onChange={setRole}
              options={(["device", "user"] as const).map((value) => ({ value, text: word("role", value) }))}
            />
            <p className="mt-1 text-[0.87rem] text-ink-3">{t("devices.enrol.roleHint")}</p>
          </div>
          <TextField
            label={t("devices.enrol.days")}
            type="number"
            min={1}
            max={7300}
            value={days}
            onChange={(event) => setDays(event.target.value)}
            className="max-w-40"
          />
          <Refused error={enrol.error} />
          <div className="flex justify-end gap-2">
            <Button onClick={() => props.onOpenChange(false)}>{t("ui.cancel")}</Button>
            <Button type="submit" kind="primary" busy={enrol.isPending}>
              {t("devices.enrol.submit")}
            </Button>
          </div>
        </form>
      )}
    </Dialog>
  );
}

function Enrolled(props: { done: Schemas["EnrolledClient"]; device: boolean; another: () => void }) {
  const { t } = useTranslation();
  const { client, height, home } = props.done;
  const secondary = buttonClass("secondary");
  return (
    <div className="flex flex-col gap-4">
      <Note tone="good" role="status" title={t("devices.enrol.done", { client })}>
        <Sentence
          text={t("devices.enrol.doneText")}
          parts={{
            height: <HeightLink height={height} />,
            home: <code className="id-text break-all">{home}</code>,
          }}
        />
      </Note>
      <div>
        <div className="label-caps mb-2">{t("devices.enrol.next")}</div>
        <div className="flex flex-wrap gap-2">
          {props.device && (
            <Link to="/topics" search={{ client, tab: "topic" }} className={buttonClass("primary")}>
              {t("devices.enrol.nextTopic")}
            </Link>
          )}
          <Link to="/try-it" search={{ client }} className={secondary}>
            {t("devices.enrol.nextTry")}
          </Link>
          <Link to="/devices/$client" params={{ client }} className={secondary}>
            {t("devices.enrol.nextPage")}
          </Link>
          <Button kind="ghost" onClick={props.another}>
            {t("devices.enrol.another")}
          </Button>
        </div>
      </div>
    </div>
  );
}
