// What every test of a component needs: matchers, English, and what jsdom lacks of a browser.
import "@testing-library/jest-dom/vitest";
import { cleanup } from "@testing-library/react";
import { afterEach } from "vitest";
import { startLanguage } from "@/i18n";

/** Height of everything, in pixels. */
const LINE_PX = 40;

if (typeof window !== "undefined") {
  class Observer {
    observe() {}
    unobserve() {}
    disconnect() {}
  }
  window.ResizeObserver ??= Observer as unknown as typeof ResizeObserver;
  window.scrollTo = () => {};
  // jsdom lays nothing out; a list needs lines of some height.
  Object.defineProperty(HTMLElement.prototype, "offsetHeight", { get: () => LINE_PX });
  window.matchMedia ??= (query: string) =>
    ({
      matches: false,
      media: query,
      addEventListener() {},
      removeEventListener() {},
    }) as unknown as MediaQueryList;
  await startLanguage();
  afterEach(cleanup);
}
