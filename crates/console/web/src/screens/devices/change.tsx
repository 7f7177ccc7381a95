// Revoking, suspending, resuming a certificate: with a reason, and said plainly before it is done.
import { type FormEvent, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { useAct } from "@/api/actions";
import { api, ok } from "@/api/client";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { TextField } from "@/ui/field";
import { Refused } from "@/ui/states";
import { toast } from "@/ui/toast";

export type Change = "revoke" | "suspend" | "resume";

/** Longest reason, in bytes of UTF-8, as the ledger takes it. */
const REASON_MAX_BYTES = 256;

export function ChangeDialog(props: { client: string; change: Change | undefined; close: () => void }) {
  const { t } = useTranslation();
  const { client, close } = props;
  const [shown, setShown] = useState<Change>("revoke");
  const [reason, setReason] = useState("");
  const act = useAct(
    (change: Change) => ok(api.POST("/api/actions/certificate", { body: { client, change, reason } })),
    (_, change) => {
      toast(
        t(
          change === "revoke"
            ? "devices.revoked"
            : change === "suspend"
              ? "devices.suspended"
              : "devices.resumed",
          { client },
        ),
      );
      close();
    },
  );
  const { reset } = act;
  useEffect(() => {
    if (!props.change) return;
    setShown(props.change);
    setReason("");
    reset();
  }, [props.change, reset]);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    act.mutate(shown);
  };
  const long = new TextEncoder().encode(reason).length > REASON_MAX_BYTES;
  return (
    <Dialog
      open={props.change !== undefined}
      onOpenChange={(open) => !open && close()}
      title={t(`devices.${shown}Title`, { client })}
      lead={t(`devices.${shown}Lead`)}
    >
      <form onSubmit={submit} className="flex flex-col gap-4">
        <TextField
          label={t("devices.reason")}
          hint={t("devices.reasonHint")}
          error={long && t("ui.tooLong", { bytes: REASON_MAX_BYTES })}
          value={reason}
          onChange={(event) => setReason(event.target.value)}
          autoFocus
        />
        <Refused error={act.error} />
        <div className="flex justify-end gap-2">
          <Button onClick={close}>{t("ui.cancel")}</Button>
          <Button
            type="submit"
            kind={shown === "resume" ? "primary" : "danger"}
            busy={act.isPending}
            disabled={long}
          >
            {t(`devices.${shown}`)}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
