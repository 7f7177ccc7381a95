// What the modules that read files, verify and open have to say, in the page's language: by its code, with the
// values that belong into it. English stands in the refusal itself.
import { useTranslation } from "react-i18next";
import type { Step } from "@/verify";

/** What a step or refusal says, in the page's language. */
export function useProofText() {
  const { t } = useTranslation();
  return ({ code, detail, values }: Pick<Step, "code" | "detail" | "values">): string =>
    code
      ? String(t(`proof.${code.replaceAll(".", "_")}` as never, { ...values, defaultValue: detail } as never))
      : detail;
}

/** An error of the modules that read files and verify, with its text in the page's language. */
export function useRefusal() {
  const text = useProofText();
  return (error: Error | null): Error | null => {
    const { code, values } = (error ?? {}) as Partial<Pick<Step, "code" | "values">>;
    return error && code && values ? new Error(text({ code, values, detail: error.message })) : error;
  };
}
