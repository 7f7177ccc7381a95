import { screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { describe, expect, it } from "vitest";
import type { Decision } from "@/api/ledger";
import { Away, Problem } from "@/api/problem";
import { speak } from "@/i18n";
import { show } from "@/test/render";
import { Refused } from "@/ui/states";
import { DecisionView, stepsOf } from "./decision";
import { useProofText } from "./refusal";
import { Say } from "./say";
import { chosen, Sentence } from "./sentence";

describe("a sentence", () => {
  it("has its parts in their places, and leaves out what isn't known", async () => {
    await show(
      <p>
        <Sentence text="[[who]] took it(( because “[[why]]”))" parts={{ who: <b>Ada</b>, why: "" }} />
      </p>,
    );
    expect(screen.getByText(/took it/)).toHaveTextContent(/^Ada took it$/);
    expect(chosen("a(( b [[x]] [[y]]))", { x: "1", y: undefined })).toBe("a");
    expect(chosen("a(( b [[x]]))", { x: 0 })).toBe("a b [[x]]");
  });

  const view = { sender: "00", sender_client: "acme.press" };
  it.each([
    [
      "grant-topic",
      { topic: "acme/press/t", grantee: "basin.reader", rights: ["subscribe"], purpose: "x" },
      "acme.press granted basin.reader subscribe on acme/press/t for “x”",
    ],
    [
      "anchor",
      { packages: [{ topic: "a/b/c" }, { topic: "a/b/c" }] },
      "acme.press anchored 2 packages: a/b/c",
    ],
    [
      "log-events",
      { events: ["a.a", "a.b", "a.c", "a.d", "a.e"].map((client) => ({ client })) },
      "acme.press recorded 5 connection events: a.a, a.b, a.c and 2 others",
    ],
    ["transfer-topic", { topic: "a/b/c", to: null }, "acme.press took back the offer of a/b/c"],
    [
      "register-certificate",
      { certificate: { client: "acme.x", role: "device" } },
      "acme.press issued a certificate to acme.x, as device",
    ],
    ["a-call-of-tomorrow", {}, "acme.press sent “a-call-of-tomorrow”"],
  ])("is said of %s", async (call, fields, text) => {
    const { container } = await show(<Say view={{ ...view, call, fields: fields as never }} />);
    expect(container.textContent?.replaceAll("Copy", "")).toBe(text);
  });

  it("is said in Chinese", async () => {
    await speak("zh");
    const fields = { topic: "acme/press/t", mode: "open" } as never;
    const { container } = await show(<Say view={{ ...view, call: "register-topic", fields }} />);
    expect(container).toHaveTextContent("acme.press 登记了主题 acme/press/t（开放）");
    await speak("en");
  });
});

describe("a decision", () => {
  const denied = (name: string) => ({ name, allowed: false });
  it("is told in steps that end where it was decided", () => {
    expect(stepsOf(denied("NoGrant"), "publish", "a/b/c")).toEqual([
      ["client", "yes"],
      ["certificate", "yes"],
      ["role", "yes"],
      ["topic", "yes"],
      ["right", "no"],
    ]);
    expect(stepsOf(denied("CertificateSuspended"), "connect", undefined)).toEqual([
      ["client", "yes"],
      ["certificate", "no"],
      ["role", "unasked"],
    ]);
    expect(stepsOf(denied("GrantRevoked"), "subscribe", "a/b/#").at(-1)).toEqual(["filter", "no"]);
    expect(
      stepsOf({ name: "Owner", allowed: true }, "read", "a/b/c").every(([, state]) => state === "yes"),
    ).toBe(true);
  });

  it("shows its reason, and what would change it", async () => {
    const decision: Decision = {
      reason: {
        allowed: false,
        number: 21,
        name: "NoGrant",
        text: "The topic's owner has granted this client nothing.",
      },
      certificate: null,
      role: "user",
      topic: null,
      grant: null,
      grant_key: null,
      keys: ["00ff"],
      height: 1234,
    };
    await show(
      <DecisionView
        decision={decision}
        client="basin.reader"
        action="subscribe"
        topic="acme/press/t"
        offers
      />,
    );
    expect(screen.getByText("The topic's owner has granted this client nothing.")).toBeVisible();
    expect(screen.getByText("Denied")).toBeVisible();
    expect(screen.getByRole("link", { name: "Request it" })).toHaveAttribute(
      "href",
      expect.stringContaining("tab=requests"),
    );
    await speak("zh");
    expect(await screen.findByText("主题所有者没有给该客户端任何授权。")).toBeVisible();
    await speak("en");
  });
});

describe("a refusal", () => {
  it("says what to run where the key is", async () => {
    const body = {
      title: "The key isn't here",
      detail: "acme.press's key isn't in this home",
      command: "sealwire topic grant --as acme.press",
    };
    await show(<Refused error={new Problem(409, body)} />);
    expect(screen.getByRole("alert")).toHaveTextContent("sealwire topic grant --as acme.press");
  });

  it("is in the page's language where the ledger refused, with what it is about", async () => {
    await speak("zh");
    await show(
      <Refused
        error={
          new Problem(422, {
            title: "Refused",
            detail: "Only the owner may do this: ask the owner. (acme.press)",
            code: 304,
          })
        }
      />,
    );
    expect(screen.getByRole("alert")).toHaveTextContent("只有所有者可以这样做：请联系所有者。");
    expect(screen.getByRole("alert")).toHaveTextContent("acme.press");
    await speak("en");
  });

  it("warns that an act may have taken effect when its answer was lost", async () => {
    await show(<Refused error={new Away(new TypeError("network"))} />);
    expect(screen.getByRole("alert")).toHaveTextContent("Look whether it took effect");
  });

  it("of an answer that is no problem document is still told", () => {
    expect(new Problem(502, "bad gateway").detail).toBe("bad gateway");
    expect(new Problem(500, null).title).toBe("HTTP 500");
    expect(new Problem(500, { detail: 7 }).detail).toBe("");
  });
});

function Anchored() {
  const values = { package: "ab", topic: "a/b/c", count: 250n, gateway: "acme.gateway", height: 9n };
  return <p>{useProofText()({ code: "held.anchor", detail: "in English", values })}</p>;
}

describe("a verified step", () => {
  it("is told with its numbers, in the page's language", async () => {
    const { unmount } = await show(<Anchored />);
    expect(screen.getByText("in English")).toBeVisible();
    unmount();
    await speak("zh");
    await show(<Anchored />);
    expect(screen.getByText(/主题 a\/b\/c 的数据包 ab，含 250 条记录/)).toBeVisible();
    await speak("en");
  });
});

describe("copying", () => {
  it("copies the whole of what is shown short", async () => {
    const { Id } = await import("@/ui/value");
    const user = userEvent.setup();
    await show(<Id id={"ab".repeat(32)} />);
    await user.click(screen.getByRole("button", { name: "Copy" }));
    expect(await navigator.clipboard.readText()).toBe("ab".repeat(32));
    expect(screen.getByRole("button", { name: "Copied" })).toBeVisible();
  });
});
