import { screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { useState } from "react";
import { describe, expect, it, vi } from "vitest";
import { Away } from "@/api/problem";
import { show } from "@/test/render";
import { Button } from "./button";
import { Dialog } from "./dialog";
import { SelectField, TextField } from "./field";
import { Loaded } from "./states";
import { type Column, DataTable } from "./table";

interface Row {
  name: string;
  size: number;
}

const columns: Column<Row>[] = [
  {
    id: "name",
    header: "Name",
    accessorKey: "name",
    cell: ({ row }) => <a href="/x">{row.original.name}</a>,
  },
  {
    id: "size",
    header: "Size",
    accessorKey: "size",
    meta: { from: 5_000 },
    cell: ({ row }) => row.original.size,
  },
];
const many = Array.from({ length: 100_000 }, (_, n) => ({ name: `device ${n}`, size: n }));

describe("a table", () => {
  it("has only the rows in sight in the document, and says how many there are", async () => {
    const { container } = await show(
      <DataTable label="Devices" columns={columns} rows={many} rowId={(row) => row.name} total={250_000} />,
    );
    // Roles are read off the attributes: the library's own search for them takes seconds in jsdom.
    expect(container.querySelector("[role=table]")).toHaveAttribute("aria-rowcount", "250001");
    const rows = container.querySelectorAll("[role=row]").length;
    expect(rows).toBeGreaterThan(5);
    expect(rows).toBeLessThan(100);
  }, 30_000);

  it("leaves out columns that have no room, and opens a row but not by its links", async () => {
    const open = vi.fn();
    const user = userEvent.setup();
    await show(
      <DataTable
        label="x"
        columns={columns}
        rows={many.slice(0, 3)}
        rowId={(row) => row.name}
        onOpen={open}
      />,
    );
    expect(screen.queryByText("Size")).toBeNull();
    await user.click(screen.getByText("device 1"));
    expect(open).not.toHaveBeenCalled();
    await user.click(screen.getAllByRole("row")[2] as HTMLElement);
    expect(open).toHaveBeenCalledWith(many[1]);
  });

  it("sorts what is all there", async () => {
    const user = userEvent.setup();
    await show(<DataTable label="x" columns={columns} rows={many.slice(0, 3)} rowId={(row) => row.name} />);
    const first = () => within(screen.getAllByRole("row")[1] as HTMLElement).getByRole("link").textContent;
    await user.click(screen.getByRole("button", { name: "Name" }));
    await user.click(screen.getByRole("button", { name: "Name" }));
    expect(first()).toBe("device 2");
    expect(screen.getByRole("columnheader", { name: "Name" })).toHaveAttribute("aria-sort", "descending");
  });

  it("shows what it is given instead of nothing, and asks for more at its end", async () => {
    const more = vi.fn();
    const { unmount } = await show(
      <DataTable label="x" columns={columns} rows={[]} rowId={(row) => row.name} empty={<p>nobody</p>} />,
    );
    expect(screen.getByText("nobody")).toBeVisible();
    unmount();
    await show(
      <DataTable
        label="x"
        columns={columns}
        rows={many.slice(0, 3)}
        rowId={(row) => row.name}
        onEnd={more}
      />,
    );
    expect(more).toHaveBeenCalled();
  });
});

describe("what was asked for", () => {
  const query = { data: undefined as string | undefined, error: null as unknown, refetch: vi.fn() };
  it("loads, comes, fails with a way to try again, and stays while a later try fails", async () => {
    const user = userEvent.setup();
    const { unmount } = await show(<Loaded query={query}>{(data) => <p>{data}</p>}</Loaded>);
    expect(screen.getByRole("status")).toHaveTextContent("Loading");
    unmount();
    const failed = await show(
      <Loaded query={{ ...query, error: new Away("x") }}>{(data) => <p>{data}</p>}</Loaded>,
    );
    expect(screen.getByRole("alert")).toHaveTextContent("can’t be reached");
    await user.click(screen.getByRole("button", { name: "Try again" }));
    expect(query.refetch).toHaveBeenCalled();
    failed.unmount();
    await show(
      <Loaded query={{ ...query, data: "old", error: new Away("x") }}>{(data) => <p>{data}</p>}</Loaded>,
    );
    expect(screen.getByText("old")).toBeVisible();
  });
});

describe("fields", () => {
  it("have a name, a hint and an error that readers are told", async () => {
    await show(<TextField label="Name" hint="short" error="too long" defaultValue="x" />);
    const field = screen.getByRole("textbox", { name: "Name" });
    expect(field).toBeInvalid();
    expect(field).toHaveAccessibleDescription("short too long");
  });

  it("choose one of several", async () => {
    const user = userEvent.setup();
    const change = vi.fn();
    const options = [
      { value: "", text: "Any" },
      { value: "b", text: "B" },
    ];
    await show(<SelectField label="Which" value="" onChange={change} options={options} />);
    await user.selectOptions(screen.getByRole("combobox", { name: "Which" }), "b");
    expect(change).toHaveBeenCalledWith("b");
  });

  it("a busy button can't be pressed again", async () => {
    await show(<Button busy>Send</Button>);
    expect(screen.getByRole("button", { name: "Send" })).toBeDisabled();
  });
});

function Asking() {
  const [open, setOpen] = useState(false);
  return (
    <>
      <Button onClick={() => setOpen(true)}>Ask</Button>
      <Dialog open={open} onOpenChange={setOpen} title="A question" lead="Why?">
        <TextField label="Answer" />
      </Dialog>
    </>
  );
}

describe("a dialog", () => {
  it("begins with what is to be typed, and gives the focus back", async () => {
    const user = userEvent.setup();
    await show(<Asking />);
    await user.click(screen.getByRole("button", { name: "Ask" }));
    expect(screen.getByRole("dialog", { name: "A question" })).toBeVisible();
    expect(screen.getByRole("textbox", { name: "Answer" })).toHaveFocus();
    await user.keyboard("{Escape}");
    expect(screen.queryByRole("dialog")).toBeNull();
    await waitFor(() => expect(screen.getByRole("button", { name: "Ask" })).toHaveFocus());
  });
});
