// The ledger: its blocks as they come, and its state entry by entry.
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { PageHead } from "@/ui/panel";
import { Tabs } from "@/ui/tabs";
import { BlockList } from "./blocks";
import { StateLookup } from "./state";

export function Ledger() {
  const { t } = useTranslation();
  const search = useSearch({ from: "/inside/ledger" });
  const navigate = useNavigate();
  return (
    <>
      <PageHead title={t("shell.nav.ledger")} lead={t("ledger.lead")} />
      <Tabs
        label={t("ledger.parts")}
        value={search.tab ?? "blocks"}
        onChange={(tab) => void navigate({ to: "/ledger", search: tab === "blocks" ? {} : { tab } })}
        tabs={[
          { value: "blocks", text: t("ledger.tab.blocks"), content: <BlockList /> },
          { value: "state", text: t("ledger.tab.state"), content: <StateLookup /> },
        ]}
      />
    </>
  );
}
