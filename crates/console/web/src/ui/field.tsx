// What is typed and chosen. A field has a name that is seen, perhaps a hint, and its error beside it.
import { Check, ChevronDown } from "lucide-react";
import { Checkbox as RadixCheckbox, ToggleGroup } from "radix-ui";
import {
  type InputHTMLAttributes,
  type ReactNode,
  type Ref,
  type TextareaHTMLAttributes,
  useId,
} from "react";
import { cx } from "@/lib/cx";

const BOX =
  "w-full rounded-md border border-edge bg-surface text-ink placeholder:text-ink-3 hover:border-ink-3 disabled:opacity-60 aria-invalid:border-cinnabar-solid";

interface Labelled {
  label: ReactNode;
  hint?: ReactNode;
  error?: ReactNode;
  hideLabel?: boolean;
}

function Frame(props: Labelled & { id: string; className?: string; children: ReactNode }) {
  return (
    <div className={cx("min-w-0", props.className)}>
      <label
        htmlFor={props.id}
        className={props.hideLabel ? "sr-only" : "mb-1 block text-[0.92rem] font-medium"}
      >
        {props.label}
      </label>
      {props.children}
      {props.hint && (
        <p id={`${props.id}-hint`} className="mt-1 text-[0.87rem] text-ink-3">
          {props.hint}
        </p>
      )}
      {props.error && (
        <p id={`${props.id}-error`} className="mt-1 text-[0.87rem] text-cinnabar">
          {props.error}
        </p>
      )}
    </div>
  );
}

function described(id: string, { hint, error }: Labelled) {
  const ids = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(" ");
  return { "aria-describedby": ids || undefined, "aria-invalid": error ? true : undefined };
}

export function TextField({
  label,
  hint,
  error,
  hideLabel,
  className,
  mono,
  icon,
  ...input
}: Labelled &
  InputHTMLAttributes<HTMLInputElement> & { mono?: boolean; icon?: ReactNode; ref?: Ref<HTMLInputElement> }) {
  const id = useId();
  const labelled = { label, hint, error, hideLabel };
  return (
    <Frame {...labelled} id={id} className={className}>
      <div className="relative">
        {icon && (
          <span className="pointer-events-none absolute inset-y-0 start-2.5 flex items-center text-ink-3 [&_svg]:size-4">
            {icon}
          </span>
        )}
        <input
          id={id}
          autoComplete="off"
          spellCheck={false}
          {...described(id, labelled)}
          {...input}
          className={cx(BOX, "h-9 px-2.5", mono && "id-text", Boolean(icon) && "ps-8")}
        />
      </div>
    </Frame>
  );
}

export function TextArea({
  label,
  hint,
  error,
  hideLabel,
  className,
  mono,
  ...input
}: Labelled & TextareaHTMLAttributes<HTMLTextAreaElement> & { mono?: boolean }) {
  const id = useId();
  const labelled = { label, hint, error, hideLabel };
  return (
    <Frame {...labelled} id={id} className={className}>
      <textarea
        id={id}
        rows={4}
        spellCheck={false}
        {...described(id, labelled)}
        {...input}
        className={cx(BOX, "px-2.5 py-1.5", mono && "id-text")}
      />
    </Frame>
  );
}

export interface Option<T extends string> {
  value: T;
  text: string;
}

/** One of several. The browser's own: it works by touch, by keyboard and with every reader. */
export function SelectField<T extends string>(
  props: Labelled & {
    value: T;
    onChange: (value: T) => void;
    options: Option<T>[];
    className?: string;
    disabled?: boolean;
  },
) {
  const id = useId();
  return (
    <Frame {...props} id={id}>
      <div className="relative">
        <select
          id={id}
          value={props.value}
          disabled={props.disabled}
          onChange={(event) => props.onChange(event.target.value as T)}
          {...described(id, props)}
          className={cx(BOX, "h-9 appearance-none truncate ps-2.5 pe-8")}
        >
          {props.options.map(({ value, text }) => (
            <option key={value} value={value} className="bg-raised">
              {text}
            </option>
          ))}
        </select>
        <ChevronDown
          className="pointer-events-none absolute inset-y-0 end-2.5 my-auto size-4 text-ink-3"
          aria-hidden
        />
      </div>
    </Frame>
  );
}

export function CheckField(props: {
  checked: boolean;
  onChange: (checked: boolean) => void;
  label: ReactNode;
  hint?: ReactNode;
  disabled?: boolean;
}) {
  const id = useId();
  return (
    <div className="flex items-start gap-2">
      <RadixCheckbox.Root
        id={id}
        checked={props.checked}
        disabled={props.disabled}
        onCheckedChange={(checked) => props.onChange(checked === true)}
        aria-describedby={props.hint ? `${id}-hint` : undefined}
        className="mt-[0.2rem] flex size-4 shrink-0 items-center justify-center rounded border border-edge bg-surface data-[state=checked]:border-indigo-solid data-[state=checked]:bg-indigo-solid disabled:opacity-50"
      >
        <RadixCheckbox.Indicator>
          <Check className="size-3 text-white" strokeWidth={3.5} aria-hidden />
        </RadixCheckbox.Indicator>
      </RadixCheckbox.Root>
      <div className="min-w-0">
        <label htmlFor={id}>{props.label}</label>
        {props.hint && (
          <p id={`${id}-hint`} className="text-[0.87rem] text-ink-3">
            {props.hint}
          </p>
        )}
      </div>
    </div>
  );
}

/** A few alternatives side by side, one of them chosen. */
export function Segmented<T extends string>(props: {
  label: string;
  value: T;
  onChange: (value: T) => void;
  options: Option<T>[];
}) {
  return (
    <ToggleGroup.Root
      type="single"
      aria-label={props.label}
      value={props.value}
      onValueChange={(value) => value && props.onChange(value as T)}
      className="inline-flex rounded-lg border border-line bg-sunken p-0.5"
    >
      {props.options.map(({ value, text }) => (
        <ToggleGroup.Item
          key={value}
          value={value}
          className="rounded-md px-2.5 py-0.5 text-[0.88rem] text-ink-2 hover:text-ink data-[state=on]:bg-surface data-[state=on]:font-medium data-[state=on]:text-ink data-[state=on]:shadow-panel"
        >
          {text}
        </ToggleGroup.Item>
      ))}
    </ToggleGroup.Root>
  );
}
