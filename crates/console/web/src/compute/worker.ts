// The owner's worker: opens results. The page's end is `startOpener`.

import { serve } from "../worker/calls";
import { openProven } from "./proven";

const service = { openProven };
/** What the worker does. */
export type OpenService = typeof service;

serve(service);
