// A file that somebody chooses or drops.
import { FileUp } from "lucide-react";
import { type ReactNode, useId, useState } from "react";
import { useTranslation } from "react-i18next";
import { cx } from "@/lib/cx";

export function FileField(props: {
  label: ReactNode;
  accept?: string;
  file: File | undefined;
  onFile: (file: File | undefined) => void;
  error?: ReactNode;
}) {
  const { t } = useTranslation();
  const id = useId();
  const [over, setOver] = useState(false);
  return (
    <div>
      <label htmlFor={id} className="mb-1 block text-[0.92rem] font-medium">
        {props.label}
      </label>
      {/* biome-ignore lint/a11y/noStaticElementInteractions: dropping is an extra, the button inside does the same */}
      <div
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={(event) => {
          event.preventDefault();
          setOver(false);
          props.onFile(event.dataTransfer.files[0]);
        }}
        className={cx(
          "relative flex h-9 items-center gap-2 rounded-md border border-dashed border-edge bg-surface px-2.5 focus-within:outline-2 focus-within:outline-offset-2 focus-within:outline-indigo",
          over && "border-indigo bg-indigo-soft",
          Boolean(props.error) && "border-cinnabar-solid",
        )}
      >
        <FileUp className="size-4 shrink-0 text-ink-3" aria-hidden />
        <span className={cx("min-w-0 flex-1 truncate", !props.file && "text-ink-3")}>
          {props.file?.name ?? t("signIn.none")}
        </span>
        <span aria-hidden className="text-[0.88rem] text-indigo">
          {t("signIn.choose")}
        </span>
        <input
          id={id}
          type="file"
          accept={props.accept}
          aria-describedby={props.error ? `${id}-error` : undefined}
          onChange={(event) => props.onFile(event.target.files?.[0])}
          className="absolute inset-0 cursor-pointer opacity-0"
        />
      </div>
      {props.error && (
        <p id={`${id}-error`} className="mt-1 text-[0.87rem] text-cinnabar">
          {props.error}
        </p>
      )}
    </div>
  );
}
