// Light, dark, or as the system says. The choice is an attribute of the document; colours follow by CSS.
import { useSyncExternalStore } from "react";
import { keep, recall } from "@/lib/stored";

export type Choice = "system" | "light" | "dark";

const system = window.matchMedia("(prefers-color-scheme: dark)");
const listeners = new Set<() => void>();
const tell = () => {
  for (const listener of listeners) listener();
};
system.addEventListener("change", tell);

let choice: Choice = asChoice(recall("theme"));
apply();

function asChoice(text: string | null): Choice {
  return text === "light" || text === "dark" ? text : "system";
}

function apply(): void {
  if (choice === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = choice;
}

export function chooseTheme(next: Choice): void {
  choice = next;
  keep("theme", next === "system" ? null : next);
  apply();
  tell();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function useThemeChoice(): Choice {
  return useSyncExternalStore(subscribe, () => choice);
}

/** What is on the screen now. */
export function useTheme(): "light" | "dark" {
  return useSyncExternalStore(subscribe, () =>
    choice === "system" ? (system.matches ? "dark" : "light") : choice,
  );
}
