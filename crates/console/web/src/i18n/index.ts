// Two languages, each one file per screen, each loaded when it is chosen. The English texts are the
// type of a key: a key that isn't there doesn't compile, one that Chinese lacks fails a test.
import i18next, { type i18n } from "i18next";
import { initReactI18next } from "react-i18next";
import { keep, recall } from "@/lib/stored";

export const LANGUAGES = { en: "English", zh: "中文" } as const;
export type Language = keyof typeof LANGUAGES;

const LOADERS = {
  en: () => import("./en"),
  zh: () => import("./zh"),
};

/** Chosen before, else the browser's first that we speak, else English. */
export function firstLanguage(wanted: readonly string[], chosen: string | null): Language {
  for (const tag of [chosen ?? "", ...wanted]) {
    const language = tag.split("-")[0];
    if (language === "en" || language === "zh") return language;
  }
  return "en";
}

async function load(language: Language): Promise<void> {
  if (i18next.hasResourceBundle(language, "translation")) return;
  const texts = await LOADERS[language]();
  i18next.addResourceBundle(language, "translation", texts.default);
}

export async function speak(language: Language): Promise<void> {
  await load(language);
  await i18next.changeLanguage(language);
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  keep("language", language);
}

export async function startLanguage(): Promise<i18n> {
  await i18next.use(initReactI18next).init({
    resources: {},
    fallbackLng: false,
    interpolation: { escapeValue: false },
    returnNull: false,
    showSupportNotice: false,
  });
  await speak(firstLanguage(navigator.languages, recall("language")));
  return i18next;
}
