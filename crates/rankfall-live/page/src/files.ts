// The experiment as it is set, as a file, a command line and a program; a link; pictures.
import { keep, kept } from "./address";
import { announce, complain, download, element, place } from "./dom";
import type { Files, Settings } from "./protocol";
import { png, svg } from "./picture";
import type { Figures } from "./figures";
import type { History } from "./history";

export interface Sources {
  settings(): Settings;
  files: ((settings: Settings) => Promise<Files>) | null;
  // The run so far as a run folder, in one archive.
  folder: (() => Promise<Blob>) | null;
  figures: Figures;
  history: History;
}

// The settings in the address, where a link has them.
export function linked(): Settings | null {
  const text = kept("settings");
  if (text === null) return null;
  try {
    return JSON.parse(text) as Settings;
  } catch {
    return null;
  }
}

export function showFiles(sources: Sources): void {
  const button = (id: string, words: string, act: () => Promise<void> | void) => {
    const made = element("button", { type: "button", "data-testid": id }, words);
    made.addEventListener("click", async () => {
      try {
        await act();
      } catch (error) {
        complain(error);
      }
    });
    return made;
  };
  const three = element("div", { class: "three", hidden: true });
  const area = (id: string, label: string) => {
    const made = element("textarea", { id, readonly: true, "data-testid": id, spellcheck: "false" });
    three.append(element("div", {}, element("label", { for: id }, label), made));
    return made;
  };
  const toml = area("as-toml", "Experiment file");
  const command = area("as-command", "Command line");
  const python = area("as-python", "Python");
  const buttons = element("div", { class: "buttons" });
  const { files } = sources;
  if (files) {
    buttons.append(
      button("as-a-file", "Show as a file", async () => {
        const made = await files(sources.settings());
        toml.value = made.toml;
        command.value = made.command;
        python.value = made.python;
        three.hidden = false;
      }),
      button("link", "Link with these settings", async () => {
        keep("settings", JSON.stringify(sources.settings()));
        await navigator.clipboard?.writeText(window.location.href).catch(() => undefined);
        announce("The address now has all settings in it.");
      }),
    );
  }
  const { figures, folder, history } = sources;
  if (folder) buttons.append(button("run-folder", "Run folder so far", async () => download("rankfall-live.zip", await folder())));
  buttons.append(
    button("png", "PNG", async () => download("rankfall.png", await png(figures.charts.all, figures.particles))),
    button("svg", "SVG", () => download("rankfall.svg", new Blob([svg(figures.charts.all, history)], { type: "image/svg+xml" }))),
    button("csv", "Series as CSV", () => download("rankfall.csv", new Blob([csv(history)], { type: "text/csv" }))),
  );
  place("files").append(element("div", { class: "card" }, element("h2", {}, "As a file"), buttons, three));
}

// Singular values and losses are decimal logarithms in it, as they are drawn.
function csv(history: History): string {
  const names = [...history.columns.keys()];
  const rows = history.times.map((time, i) => [time, ...names.map((name) => history.columns.get(name)?.[i] ?? "")].join(","));
  return `${["time", ...names].join(",")}\n${rows.join("\n")}\n`;
}
