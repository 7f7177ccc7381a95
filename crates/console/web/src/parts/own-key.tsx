// Giving this page an identity's key files, and taking them back.
import { useMutation } from "@tanstack/react-query";
import { KeyRound } from "lucide-react";
import type { FormEvent } from "react";
import { useTranslation } from "react-i18next";
import { hold, release, useHeld } from "@/api/keyring";
import { Button } from "@/ui/button";
import { Refused } from "@/ui/states";
import { Badge } from "@/ui/status";
import { IdentityFields, useIdentityFiles } from "./identity-fields";
import { useRefusal } from "./refusal";

export function OwnKey({ lead }: { lead: string }) {
  const { t } = useTranslation();
  const refusal = useRefusal();
  const held = useHeld();
  const files = useIdentityFiles();
  const load = useMutation({
    async mutationFn() {
      const texts = await files.read();
      if (texts) await hold(...texts);
    },
    onSuccess: files.clear,
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    load.mutate();
  };
  if (held)
    return (
      <div className="flex flex-wrap items-center gap-2">
        <Badge tone="good" icon>
          {t("ownKey.held")}
        </Badge>
        <span className="font-medium break-all">{held.client}</span>
        <Button small kind="ghost" onClick={release}>
          {t("ownKey.release")}
        </Button>
      </div>
    );
  return (
    <details>
      <summary className="link inline-flex cursor-pointer items-center gap-1.5">
        <KeyRound className="size-4" aria-hidden />
        {t("ownKey.give")}
      </summary>
      <form onSubmit={submit} className="mt-3 flex flex-col gap-3">
        <p className="text-[0.92rem] text-ink-2">
          {lead} {t("ownKey.memory")}
        </p>
        <IdentityFields files={files} />
        <Refused error={refusal(load.error)} />
        <Button type="submit" busy={load.isPending} disabled={!files.complete} className="self-start">
          {t("ownKey.load")}
        </Button>
      </form>
    </details>
  );
}
