import audit from "./audit.json";
import compute from "./compute.json";
import devices from "./devices.json";
import governance from "./governance.json";
import ledger from "./ledger.json";
import overview from "./overview.json";
import ownKey from "./own-key.json";
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
  compute,
  devices,
  governance,
  ledger,
  overview,
  ownKey,
  records,
  rights,
  shell,
  signIn,
  topics,
  tryIt,
  ui,
  words,
};
