// Which page it is.
import "./language";
import { complain, place } from "./dom";
import { LivePage } from "./live";
import type { PageState } from "./protocol";
import { RecordedPage } from "./recorded";
import { WatchPage } from "./watch";

try {
  const start = JSON.parse(place("start").textContent ?? "") as PageState;
  if (start.mode === "watch") new WatchPage(start);
  else if (start.mode === "recorded") new RecordedPage(start);
  else new LivePage(start);
} catch (error) {
  complain(error);
}
