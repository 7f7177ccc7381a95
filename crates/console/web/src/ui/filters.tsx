// Filters above a list. Where the place is narrow all but the first wait behind a button.
import { SlidersHorizontal } from "lucide-react";
import { type ReactNode, useId, useState } from "react";
import { useTranslation } from "react-i18next";
import { cx } from "@/lib/cx";
import { Button } from "./button";

export function Filters(props: { first: ReactNode; children: ReactNode; columns: string; active: number }) {
  const { t } = useTranslation();
  const id = useId();
  const [open, setOpen] = useState(false);
  return (
    <div className={cx("grid gap-2.5 border-b border-line p-4", props.columns)}>
      {props.first}
      <Button
        className="justify-self-start sm:hidden"
        small
        icon={<SlidersHorizontal aria-hidden />}
        aria-expanded={open}
        aria-controls={id}
        onClick={() => setOpen(!open)}
      >
        {t("ui.filters")}
        {props.active > 0 && ` (${props.active})`}
      </Button>
      <div id={id} className={cx("gap-2.5 sm:contents", open ? "grid" : "hidden")}>
        {props.children}
      </div>
    </div>
  );
}
