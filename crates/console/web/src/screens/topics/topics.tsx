// Topics and rights: the tree, and beside it the chosen topic, requests, authorisation keys, simulation.
import { useNavigate, useSearch } from "@tanstack/react-router";
import { Plus } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { tidy } from "@/lib/params";
import { Button } from "@/ui/button";
import { PageHead } from "@/ui/panel";
import { Tabs } from "@/ui/tabs";
import { Keys } from "./keys";
import { RegisterDialog } from "./register";
import { Requests } from "./requests";
import { Simulate } from "./simulate";
import { TopicPage } from "./topic";
import { TopicTree } from "./tree";

export function Topics() {
  const { t } = useTranslation();
  const search = useSearch({ from: "/inside/topics" });
  const navigate = useNavigate({ from: "/topics" });
  const tab = search.tab ?? "topic";
  // A link 'register a topic for this client' brings the client and no topic.
  const [registering, setRegistering] = useState(
    tab === "topic" && search.client !== undefined && search.topic === undefined,
  );
  return (
    <>
      <PageHead
        title={t("shell.nav.topics")}
        lead={t("topics.lead")}
        actions={
          <Button kind="primary" icon={<Plus aria-hidden />} onClick={() => setRegistering(true)}>
            {t("topics.register.title")}
          </Button>
        }
      />
      <div className="grid items-start gap-4 lg:grid-cols-[17rem_minmax(0,1fr)] 2xl:grid-cols-[22rem_minmax(0,1fr)]">
        <div className="panel max-h-72 overflow-hidden lg:sticky lg:top-[4.5rem] lg:max-h-[calc(100dvh-6rem)] flex flex-col">
          <TopicTree chosen={search.topic} />
        </div>
        <div className="min-w-0">
          <Tabs
            label={t("topics.parts")}
            value={tab}
            onChange={(next) =>
              void navigate({
                search: (now) => tidy({ ...now, tab: next === "topic" ? undefined : next }),
                replace: true,
              })
            }
            tabs={[
              {
                value: "topic",
                text: t("topics.tab.topic"),
                content: <TopicPage topic={search.topic} register={() => setRegistering(true)} />,
              },
              {
                value: "requests",
                text: t("topics.tab.requests"),
                content: <Requests topic={search.topic} />,
              },
              { value: "keys", text: t("topics.tab.keys"), content: <Keys topic={search.topic} /> },
              { value: "simulate", text: t("topics.tab.simulate"), content: <Simulate /> },
            ]}
          />
        </div>
      </div>
      <RegisterDialog
        open={registering}
        onOpenChange={setRegistering}
        client={search.client}
        topic={search.topic}
      />
    </>
  );
}
