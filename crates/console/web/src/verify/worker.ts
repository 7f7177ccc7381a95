// The verifier's worker. The page's end is `startVerifier`.

import { serve } from "../worker/calls";
import { verifyResult } from "./result";
import { verifyEntries, verifyEntry, verifyReceipt } from "./verify";

const service = { verifyReceipt, verifyEntry, verifyEntries, verifyResult };
/** What the worker does. */
export type VerifyService = typeof service;

serve(service);
