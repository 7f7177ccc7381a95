// The verifier's worker. The page's end is `startVerifier`.

import { serve } from "../worker/calls";
import { verifyEntries, verifyEntry, verifyReceipt } from "./verify";

const service = { verifyReceipt, verifyEntry, verifyEntries };
/** What the worker does. */
export type VerifyService = typeof service;

serve(service);
