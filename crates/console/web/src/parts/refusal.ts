// What the modules that read files, verify and open have to say, in the page's language: by its code, with the
// values that belong into it. English stands in the refusal itself.
import { useTranslation } from "react-i18next";
import { localTime } from "@/lib/format";
import type { Step } from "@/verify";

/** A value in words: a time as people read it. */
function said(name: string, value: string | number | bigint): string {
  return name.endsWith("_ms") ? localTime(Number(value)) : String(value);
}

/** What a step or refusal says, in the page's language. */
export function useProofText() {
  const { t } = useTranslation();
  return ({ code, detail, values }: Pick<Step, "code" | "detail" | "values">): string => {
    if (!code) return detail;
    // As texts: i18next would choose a plural by a value named `count`, and can't by a bigint.
    const texts = Object.fromEntries(
      Object.entries(values).map(([name, value]) => [name, said(name, value)]),
    );
    const key = `proof.${code.replaceAll(".", "_")}`;
    return String(t(key as never, { ...texts, defaultValue: detail } as never));
  };
}

/** An error of the modules that read files and verify, with its text in the page's language. */
export function useRefusal() {
  const text = useProofText();
  return (error: Error | null): Error | null => {
    const { code, values } = (error ?? {}) as Partial<Pick<Step, "code" | "values">>;
    return error && code && values ? new Error(text({ code, values, detail: error.message })) : error;
  };
}
