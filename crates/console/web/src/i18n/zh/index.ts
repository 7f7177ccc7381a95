import audit from "./audit.json";
import codes from "./codes.json";
import compute from "./compute.json";
import devices from "./devices.json";
import governance from "./governance.json";
import ledger from "./ledger.json";
import overview from "./overview.json";
import ownKey from "./own-key.json";
import proof from "./proof.json";
import reasons from "./reasons.json";
import records from "./records.json";
import rights from "./rights.json";
import shell from "./shell.json";
import signIn from "./sign-in.json";
import topics from "./topics.json";
import tryIt from "./try-it.json";
import ui from "./ui.json";
import words from "./words.json";

export default {
  audit,
  codes,
  compute,
  devices,
  governance,
  ledger,
  overview,
  ownKey,
  proof,
  reasons,
  records,
  rights,
  shell,
  signIn,
  topics,
  tryIt,
  ui,
  words,
};
