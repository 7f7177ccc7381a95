// Where a screen can't be shown: no such address, or a mistake of ours.
import { Link } from "@tanstack/react-router";
import { Bug, MapPinOff } from "lucide-react";
import { useTranslation } from "react-i18next";
import { Away, Problem } from "@/api/problem";
import { Button, buttonClass } from "@/ui/button";
import { Empty, Failed } from "@/ui/states";
import { Code } from "@/ui/value";

export function NotFound() {
  const { t } = useTranslation();
  return (
    <Empty
      icon={MapPinOff}
      title={t("shell.notFound")}
      actions={
        <Link to="/" className={buttonClass("primary")}>
          {t("shell.home")}
        </Link>
      }
    >
      {t("shell.notFoundText")}
    </Empty>
  );
}

export function Broken({ error, reset }: { error: unknown; reset: () => void }) {
  const { t } = useTranslation();
  if (error instanceof Problem || error instanceof Away)
    return (
      <div className="flex min-h-[60dvh] items-center justify-center">
        <Failed error={error} retry={() => window.location.reload()} />
      </div>
    );
  return (
    <Empty
      icon={Bug}
      title={t("shell.broken")}
      actions={
        <>
          <Button kind="primary" onClick={() => window.location.reload()}>
            {t("shell.reload")}
          </Button>
          <Button onClick={reset}>{t("ui.again")}</Button>
        </>
      }
    >
      <p>{t("shell.brokenText")}</p>
      <div className="mt-3 text-start">
        <Code text={error instanceof Error ? `${error.name}: ${error.message}` : String(error)} />
      </div>
    </Empty>
  );
}
