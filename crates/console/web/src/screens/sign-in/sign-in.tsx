// Signing in: by a one-time link, or by a key that never leaves this page.
import { useMutation } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { Languages } from "lucide-react";
import { type FormEvent, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { api, ok } from "@/api/client";
import { useEnter, useSession } from "@/api/session";
import { IdentityFields, useIdentityFiles } from "@/parts/identity-fields";
import { choose } from "@/parts/language";
import { useRefusal } from "@/parts/refusal";
import { Button } from "@/ui/button";
import { TextField } from "@/ui/field";
import { Mark } from "@/ui/mark";
import { Refused } from "@/ui/states";
import { Note } from "@/ui/status";
import { Toasts } from "@/ui/toast";
import { Id } from "@/ui/value";
import { spendLink, tokenIn } from "./link";

export function SignIn() {
  const { t, i18n } = useTranslation();
  const session = useSession();
  const navigate = useNavigate();
  const { to, ended } = useSearch({ from: "/sign-in" });
  const signedIn = Boolean(session.user);
  useEffect(() => {
    if (signedIn) void navigate({ to: to ?? "/", replace: true });
  }, [signedIn, navigate, to]);
  const other = i18n.language === "en" ? "zh" : "en";
  return (
    <div className="flex min-h-dvh flex-col">
      <header className="flex justify-end p-3">
        <Button kind="ghost" icon={<Languages aria-hidden />} onClick={() => choose(other)}>
          <span lang={other}>{other === "zh" ? "中文" : "English"}</span>
        </Button>
      </header>
      <Toasts />
      <main className="mx-auto w-full max-w-3xl flex-1 px-4 pt-[6vh] pb-12">
        <div className="mb-8 flex items-start gap-4">
          <Mark size={52} />
          <div className="min-w-0">
            <h1 className="text-[1.8rem] leading-tight font-semibold tracking-[-0.015em]">
              {t("signIn.title")}
            </h1>
            <p className="text-ink-2">
              {t("signIn.lead", { org: session.console.org, consortium: session.console.consortium })}
            </p>
          </div>
        </div>
        {ended && (
          <div className="mb-6">
            <Note tone="doubt" role="status" title={t("shell.ended")}>
              {t("shell.endedText")}
            </Note>
          </div>
        )}
        <p className="mb-6 max-w-[60ch] text-ink-2">{t("signIn.noPassword")}</p>
        <div className="grid gap-4 md:grid-cols-2">
          <ByLink />
          <ByKey />
        </div>
        <p className="mt-8 flex flex-wrap items-center gap-2 text-[0.88rem] text-ink-3">
          {t("signIn.genesis")} <Id id={session.console.chain} />
        </p>
      </main>
    </div>
  );
}

function ByLink() {
  const { t } = useTranslation();
  const enter = useEnter();
  const [text, setText] = useState("");
  const [wrong, setWrong] = useState(false);
  const { mutate, error, isPending } = useMutation({
    mutationFn: (token: string) => ok(api.POST("/api/session/link", { body: { token } })),
    onSuccess: enter,
  });
  useEffect(() => {
    const token = spendLink();
    if (token) mutate(token);
  }, [mutate]);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const token = tokenIn(text);
    setWrong(!token);
    if (token) mutate(token);
  };
  return (
    <form onSubmit={submit} className="panel flex flex-col gap-3 p-5">
      <h2 className="text-[1.08rem] font-semibold">{t("signIn.byLink")}</h2>
      <p className="text-[0.95rem] text-ink-2">{t("signIn.byLinkText")}</p>
      <TextField
        label={t("signIn.link")}
        value={text}
        onChange={(event) => setText(event.target.value)}
        error={wrong && t("signIn.linkWrong")}
        mono
      />
      <Refused error={error} />
      <Button type="submit" kind="primary" busy={isPending} className="mt-auto self-start">
        {isPending ? t("signIn.signing") : t("signIn.submit")}
      </Button>
    </form>
  );
}

function ByKey() {
  const { t } = useTranslation();
  const enter = useEnter();
  const files = useIdentityFiles();
  const refusal = useRefusal();
  const signIn = useMutation({
    async mutationFn() {
      const texts = await files.read();
      if (!texts) return undefined;
      const { readIdentity, signChallenge } = await import("./key");
      const identity = await readIdentity(...texts);
      const challenge = await ok(api.POST("/api/session/challenge"));
      return ok(api.POST("/api/session/key", { body: signChallenge(identity, challenge) }));
    },
    onSuccess: (session) => session && enter(session),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    signIn.mutate();
  };
  return (
    <form onSubmit={submit} className="panel flex flex-col gap-3 p-5">
      <h2 className="text-[1.08rem] font-semibold">{t("signIn.byKey")}</h2>
      <p className="text-[0.95rem] text-ink-2">{t("signIn.byKeyText")}</p>
      <IdentityFields files={files} />
      <details className="text-[0.9rem] text-ink-2">
        <summary className="cursor-pointer text-indigo">{t("signIn.aboutKey")}</summary>
        <p className="mt-1">{t("signIn.aboutKeyText")}</p>
      </details>
      <Refused error={refusal(signIn.error)} />
      <Button
        type="submit"
        kind="primary"
        busy={signIn.isPending}
        disabled={!files.complete}
        className="self-start"
      >
        {signIn.isPending ? t("signIn.signing") : t("signIn.submit")}
      </Button>
    </form>
  );
}
