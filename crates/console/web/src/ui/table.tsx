// Lists of any length. Only the rows in sight are in the document; columns leave from the right of their
// importance when the place is narrow. Rows are a grid with the roles of a table, so that each can be as
// high as it needs.
import {
  type ColumnDef,
  flexRender,
  getCoreRowModel,
  type RowData,
  type SortingState,
  useReactTable,
} from "@tanstack/react-table";
import { useWindowVirtualizer } from "@tanstack/react-virtual";
import { ArrowDown, ArrowUp } from "lucide-react";
import { type ReactNode, useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { cx } from "@/lib/cx";
import { Loading } from "./states";

declare module "@tanstack/react-table" {
  interface ColumnMeta<TData extends RowData, TValue> {
    /** Of the grid, for instance `minmax(10rem, 2fr)`. */
    width?: string;
    /** Shown from this width of the table on, in pixels. */
    from?: number;
    /** At the end of its cell. */
    end?: boolean;
  }
}

export type Column<T> = ColumnDef<T, unknown>;

/** Height of a row before it was measured, in pixels. */
const ROW_PX = 44;
/** Rows kept beyond each edge of the window. */
const OVERSCAN = 12;

interface TableProps<T> {
  label: string;
  columns: Column<T>[];
  rows: T[];
  rowId: (row: T, index: number) => string;
  /** All there are, when more can be had than `rows`. */
  total?: number;
  /** Called when the last rows come into sight. */
  onEnd?: () => void;
  loadingMore?: boolean;
  empty?: ReactNode;
  onOpen?: (row: T) => void;
  /** Rows that came while one looked are marked for a moment. */
  isNew?: (row: T) => boolean;
  openId?: string;
}

function useWidth() {
  const ref = useRef<HTMLDivElement>(null);
  const [place, setPlace] = useState({ width: 1200, top: 0 });
  useLayoutEffect(() => {
    const element = ref.current;
    if (!element) return;
    const measure = () => {
      const box = element.getBoundingClientRect();
      setPlace({ width: box.width || 1200, top: box.top + window.scrollY });
    };
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    observer.observe(document.body);
    return () => observer.disconnect();
  }, []);
  return { ref, ...place };
}

/** In the order that a head was pressed for. */
function sorted<T>(rows: T[], columns: Column<T>[], [by]: SortingState): T[] {
  const column = columns.find((one) => one.id === by?.id);
  if (!by || !column || !("accessorKey" in column)) return rows;
  const value = (row: T) => row[column.accessorKey as keyof T];
  const sign = by.desc ? -1 : 1;
  return rows.toSorted((a, b) => (value(a) < value(b) ? -sign : value(a) > value(b) ? sign : 0));
}

export function DataTable<T>(props: TableProps<T>) {
  const { columns, rows, rowId, onEnd } = props;
  const { t } = useTranslation();
  const { ref, width, top } = useWidth();
  const [sorting, setSorting] = useState<SortingState>([]);
  const visible = useMemo(
    () => columns.filter((column) => (column.meta?.from ?? 0) <= width),
    [columns, width],
  );
  const template = visible.map((column) => column.meta?.width ?? "minmax(0, 1fr)").join(" ");
  const ordered = useMemo(() => sorted(rows, columns, sorting), [rows, columns, sorting]);
  const virtual = useWindowVirtualizer({
    count: ordered.length,
    estimateSize: () => ROW_PX,
    overscan: OVERSCAN,
    scrollMargin: top,
    getItemKey: (index) => rowId(ordered[index] as T, index),
  });
  const items = virtual.getVirtualItems();
  const firstShown = items[0]?.index ?? 0;
  const lastShown = items.at(-1)?.index ?? -1;
  // The table's own model is made of the rows in sight only: it costs too much for a hundred thousand.
  const shown = useMemo(() => ordered.slice(firstShown, lastShown + 1), [ordered, firstShown, lastShown]);
  const table = useReactTable({
    data: shown,
    columns: visible,
    state: { sorting },
    onSortingChange: setSorting,
    getCoreRowModel: getCoreRowModel(),
    manualSorting: true,
    getRowId: (row, index) => rowId(row, firstShown + index),
    enableSorting: !onEnd,
  });
  const model = table.getRowModel().rows;
  useEffect(() => {
    if (onEnd && lastShown >= rows.length - OVERSCAN) onEnd();
  }, [lastShown, rows.length, onEnd]);

  if (rows.length === 0) return <div ref={ref}>{props.empty}</div>;
  const style = { gridTemplateColumns: template };
  return (
    <div
      role="table"
      aria-label={props.label}
      aria-rowcount={(props.total ?? rows.length) + 1}
      className="min-w-0"
    >
      <div role="rowgroup" className="sticky top-14 z-10 rounded-t-[10px] bg-surface">
        {table.getHeaderGroups().map((group) => (
          <div
            key={group.id}
            role="row"
            aria-rowindex={1}
            className="grid gap-x-4 border-b border-line px-4"
            style={style}
          >
            {group.headers.map((header) => {
              const { column } = header;
              const sorted = column.getIsSorted();
              const text = flexRender(column.columnDef.header, header.getContext());
              return (
                <div
                  key={header.id}
                  role="columnheader"
                  aria-sort={sorted ? (sorted === "asc" ? "ascending" : "descending") : undefined}
                  className={cx("label-caps min-w-0 py-2", column.columnDef.meta?.end && "text-end")}
                >
                  {column.getCanSort() ? (
                    <button
                      type="button"
                      onClick={column.getToggleSortingHandler()}
                      className="inline-flex items-center gap-1 hover:text-ink"
                    >
                      {text}
                      {sorted === "asc" && <ArrowUp className="size-3" aria-hidden />}
                      {sorted === "desc" && <ArrowDown className="size-3" aria-hidden />}
                    </button>
                  ) : (
                    text
                  )}
                </div>
              );
            })}
          </div>
        ))}
      </div>
      <div ref={ref} role="rowgroup" className="relative" style={{ height: virtual.getTotalSize() }}>
        {items.map((item) => {
          const row = model[item.index - firstShown];
          if (!row) return null;
          const open = props.onOpen;
          return (
            // biome-ignore lint/a11y/useKeyWithClickEvents: the row's link or button is the keyboard's way; the click is an extra
            <div
              key={item.key}
              ref={virtual.measureElement}
              data-index={item.index}
              role="row"
              tabIndex={-1}
              aria-rowindex={item.index + 2}
              aria-selected={props.openId === undefined ? undefined : props.openId === row.id}
              onClick={open && ((event) => opens(event) && open(row.original))}
              className={cx(
                "absolute inset-x-0 top-0 grid items-center gap-x-4 border-b border-line/70 px-4 py-2",
                open && "cursor-pointer hover:bg-sunken/60",
                props.openId === row.id && "bg-indigo-soft",
                props.isNew?.(row.original) && "animate-flash",
              )}
              style={{ ...style, transform: `translateY(${item.start - virtual.options.scrollMargin}px)` }}
            >
              {row.getVisibleCells().map((cell) => (
                <div
                  key={cell.id}
                  role="cell"
                  className={cx("min-w-0", cell.column.columnDef.meta?.end && "text-end")}
                >
                  {flexRender(cell.column.columnDef.cell, cell.getContext())}
                </div>
              ))}
            </div>
          );
        })}
      </div>
      {props.loadingMore && <Loading lines={2} />}
      {props.total !== undefined && props.total > rows.length && !props.loadingMore && (
        <div className="px-4 py-2 text-[0.88rem] text-ink-3">
          {t("ui.shownOf", { shown: rows.length, total: props.total })}
        </div>
      )}
    </div>
  );
}

/** Whether a click in a row is meant for the row: not for a link or button in it, not the end of a selection. */
function opens(event: React.MouseEvent): boolean {
  const target = event.target as HTMLElement;
  return !target.closest("a, button, input, label") && !window.getSelection()?.toString();
}
