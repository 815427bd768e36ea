// The experiment as it is set, as a file, a command line and a program; a link; pictures.
import { announce, download, element, place } from "./dom";
import type { Files, Settings } from "./protocol";
import { png, svg } from "./picture";
import type { Figures } from "./figures";
import type { History } from "./history";

export interface Sources {
  settings(): Settings;
  files: ((settings: Settings) => Promise<Files>) | null;
  figures: Figures;
  history: History;
}

// Settings in the address, behind the number sign: the server does not see them before it is asked.
export function encoded(settings: Settings): string {
  return `#settings=${encodeURIComponent(JSON.stringify(settings))}`;
}

export function decoded(hash: string): Settings | null {
  const prefix = "#settings=";
  if (!hash.startsWith(prefix)) return null;
  try {
    return JSON.parse(decodeURIComponent(hash.slice(prefix.length))) as Settings;
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
        announce(error instanceof Error ? error.message : String(error));
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
        window.history.replaceState(null, "", encoded(sources.settings()));
        await navigator.clipboard?.writeText(window.location.href).catch(() => undefined);
        announce("The address now has all settings in it.");
      }),
    );
  }
  const { figures, history } = sources;
  buttons.append(
    button("png", "PNG", async () => download("rankfall.png", await png(figures.charts, figures.particles))),
    button("svg", "SVG", () => download("rankfall.svg", new Blob([svg(figures.charts, history)], { type: "image/svg+xml" }))),
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
