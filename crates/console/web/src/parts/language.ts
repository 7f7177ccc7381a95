// Choosing a language, by whom the page's is: its texts may have to be fetched first.
import i18next from "i18next";
import { type Language, speak } from "@/i18n";
import { toast } from "@/ui/toast";

/** Speaks a language; where its texts can't be had the page says so and goes on in the one before. */
export function choose(language: Language): void {
  speak(language).catch(() => toast(i18next.t("ui.away"), true));
}
