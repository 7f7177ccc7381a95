// The screens, in the order of the menu.
import {
  Blocks,
  ClipboardList,
  Cpu,
  FileCheck2,
  FlaskConical,
  Gauge,
  Landmark,
  type LucideIcon,
  Sigma,
  Waypoints,
} from "lucide-react";

interface Screen {
  to:
    | "/"
    | "/devices"
    | "/topics"
    | "/records"
    | "/compute"
    | "/ledger"
    | "/governance"
    | "/audit"
    | "/try-it";
  name:
    | "overview"
    | "devices"
    | "topics"
    | "records"
    | "compute"
    | "ledger"
    | "governance"
    | "audit"
    | "tryIt";
  icon: LucideIcon;
}

export const GROUPS: { name: "data" | "proof" | null; screens: Screen[] }[] = [
  { name: null, screens: [{ to: "/", name: "overview", icon: Gauge }] },
  {
    name: "data",
    screens: [
      { to: "/devices", name: "devices", icon: Cpu },
      { to: "/topics", name: "topics", icon: Waypoints },
      { to: "/records", name: "records", icon: FileCheck2 },
      { to: "/compute", name: "compute", icon: Sigma },
    ],
  },
  {
    name: "proof",
    screens: [
      { to: "/ledger", name: "ledger", icon: Blocks },
      { to: "/governance", name: "governance", icon: Landmark },
      { to: "/audit", name: "audit", icon: ClipboardList },
    ],
  },
  { name: null, screens: [{ to: "/try-it", name: "tryIt", icon: FlaskConical }] },
];

export const SCREENS = GROUPS.flatMap((group) => group.screens);
