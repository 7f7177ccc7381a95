// Computing on encrypted readings: keys, what was computed, and opening a result here.
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { PageHead } from "@/ui/panel";
import { Tabs } from "@/ui/tabs";
import { Evaluations } from "./evaluations";
import { Jobs } from "./jobs";
import { ComputeKeys } from "./keys";
import { OpenResult } from "./open";

export function Compute() {
  const { t } = useTranslation();
  const search = useSearch({ from: "/inside/compute" });
  const navigate = useNavigate();
  return (
    <>
      <PageHead title={t("shell.nav.compute")} lead={t("compute.lead")} />
      <Tabs
        label={t("compute.parts")}
        value={search.tab ?? "keys"}
        onChange={(tab) => void navigate({ to: "/compute", search: tab === "keys" ? {} : { tab } })}
        tabs={[
          { value: "keys", text: t("compute.tab.keys"), content: <ComputeKeys /> },
          { value: "jobs", text: t("compute.tab.jobs"), content: <Jobs /> },
          { value: "evaluations", text: t("compute.tab.evaluations"), content: <Evaluations /> },
          { value: "open", text: t("compute.tab.open"), content: <OpenResult /> },
        ]}
      />
    </>
  );
}
