// A sweep as it fills up: a heat map over two axes, or points over one; its numbers to read and to hear.
import { dark, element, number, offer, sheet } from "./dom";
import { type Family, FamilyPlot } from "./family";
import { type Heat, HeatPlot } from "./heat";
import type { SweptAxis, WatchedSweep } from "./protocol";

// Rows of the table of values, at most.
const MOST_ROWS = 1000;

export class SweepView {
  readonly figure: HTMLElement;
  private readonly title = element("h2", {}, "Sweep");
  private readonly note = element("span", { class: "note" });
  private readonly canvas = element("canvas", { "aria-hidden": "true" });
  private readonly host: HTMLElement;
  private readonly quantity = element("select", { "aria-label": "Quantity", "data-testid": "quantity" });
  private readonly places = element("div", { class: "buttons" });
  private readonly pointed = element("output", { class: "note", "data-testid": "point" });
  private readonly rows = element("tbody");
  private readonly head = element("tr");
  private readonly table: HTMLDetailsElement;
  private sweep: WatchedSweep | null = null;
  private plot: HeatPlot | FamilyPlot | null = null;
  // Of each axis the place that is shown, where it is neither across nor up.
  private held: number[] = [];
  private over = 0;
  private picked: number | null = null;
  private seen = "";

  constructor(private readonly asked: () => void) {
    this.host = element(
      "div",
      { class: "plot sweep", role: "application", tabindex: 0, "aria-label": "Sweep", "data-testid": "sweep" },
      this.canvas,
    );
    this.quantity.addEventListener("change", () => this.asked());
    this.table = element(
      "details",
      { "data-testid": "values" },
      element("summary", {}, "Every point in words"),
      element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Every point" }, element("table", {}, element("thead", {}, this.head), this.rows)),
    );
    this.table.addEventListener("toggle", () => this.list());
    this.figure = element(
      "figure",
      { class: "card whole", "data-testid": "figure-sweep", hidden: true },
      element("figcaption", {}, this.title, this.note),
      element("div", { class: "buttons" }, this.quantity, this.places),
      this.host,
      this.pointed,
      this.table,
    );
    new ResizeObserver(() => this.paint()).observe(this.host);
    dark.addEventListener("change", () => this.paint());
    this.canvas.addEventListener("pointermove", (event) => this.point(this.under(event.offsetX, event.offsetY)));
    this.host.addEventListener("keydown", (event) => this.key(event));
  }

  get wanted(): string {
    return this.quantity.value;
  }

  show(sweep: WatchedSweep): void {
    const news = JSON.stringify(sweep);
    if (news === this.seen) return;
    this.seen = news;
    const other = this.sweep?.folder !== sweep.folder || this.sweep.dynamics !== sweep.dynamics;
    this.sweep = sweep;
    if (other) this.picked = null;
    if (this.picked !== null) this.pointed.textContent = this.words(sweep, this.picked);
    else this.pointed.textContent = "";
    this.choices(sweep, other);
    const { label } = this.told(sweep);
    this.title.textContent = sweep.quantities.length > 0 ? label : "Sweep";
    const done = sweep.finished.filter(Boolean).length;
    const seeds = sweep.seeds === null ? "" : `, means over ${sweep.seeds} seeds`;
    this.note.textContent = sweep.trouble ?? `${done} of ${sweep.finished.length} settings${seeds}; blank: not finished, hatched: no number, or none on this scale`;
    this.host.setAttribute("aria-label", `${label}: ${done} of ${sweep.finished.length} settings are finished. Arrow keys go from one to the next.`);
    this.paint();
    this.list();
  }

  private told(sweep: WatchedSweep): { label: string; is_log: boolean } {
    return sweep.quantities.find((one) => one.name === sweep.quantity) ?? { label: "nothing is measured yet", is_log: false };
  }

  private choices(sweep: WatchedSweep, other: boolean): void {
    offer(this.quantity, sweep.quantities.map((one) => [one.name, one.label]));
    this.quantity.value = sweep.quantity;
    if (!other) return;
    this.held = sweep.axes.map(() => 0);
    this.over = 0;
    this.places.replaceChildren(...(sweep.is_grid ? this.slices(sweep) : [this.across(sweep)]));
  }

  // Of a grid with more axes than a picture has: which value of the others is shown.
  private slices(sweep: WatchedSweep): HTMLElement[] {
    return long(sweep)
      .slice(2)
      .map((place) => {
        const axis = sweep.axes[place];
        const options = (axis?.names ?? []).map((name, i) => element("option", { value: i }, `${axis?.label} = ${name}`));
        const choice = element("select", { "aria-label": axis?.label ?? "" }, ...options);
        choice.addEventListener("change", () => {
          this.held[place] = Number(choice.value);
          this.paint();
        });
        return choice;
      });
  }

  // Of a random design: over which axis its points are laid out.
  private across(sweep: WatchedSweep): HTMLElement {
    const options = sweep.axes.map((axis, i) => element("option", { value: i }, `over ${axis.label}`));
    const choice = element("select", { "aria-label": "Axis across", "data-testid": "across" }, ...options);
    choice.addEventListener("change", () => {
      this.over = Number(choice.value);
      this.paint();
    });
    return choice;
  }

  private paint(): void {
    const { sweep } = this;
    const width = this.host.clientWidth;
    this.plot = null;
    if (!sweep || width < 40 || sweep.axes.length === 0) return;
    const [x, y] = long(sweep);
    const flat = !sweep.is_grid || x === undefined || y === undefined;
    const height = flat ? 320 : Math.max(260, Math.min(560, 70 + 26 * (sweep.axes[y]?.names.length ?? 1)));
    this.host.style.height = `${height}px`;
    const draw = sheet(this.canvas, width, height);
    if (!draw) return;
    const heat = flat ? null : this.heat(sweep, x, y);
    this.plot = heat ? new HeatPlot(draw, width, height, heat) : new FamilyPlot(draw, width, height, this.family(sweep));
    this.plot.paint();
  }

  private heat(sweep: WatchedSweep, x: number, y: number): Heat | null {
    const [across, up] = [sweep.axes[x], sweep.axes[y]];
    if (!across || !up) return null;
    return {
      x: across,
      y: up,
      logarithmic: this.told(sweep).is_log,
      picked: this.picked,
      cell: (i, j) => {
        const at = this.held.slice();
        [at[x], at[y]] = [i, j];
        const setting = settingAt(sweep.axes, at);
        return { setting, value: sweep.values[setting] ?? null, finished: sweep.finished[setting] ?? false };
      },
    };
  }

  private family(sweep: WatchedSweep): Family {
    const place = sweep.is_grid ? (long(sweep)[0] ?? 0) : this.over;
    const axis = sweep.axes[place] ?? { key: "", label: "", is_log: false, values: [], names: [] };
    const { label, is_log } = this.told(sweep);
    const points = axis.values.map((x, i) => {
      const at = this.held.slice();
      at[place] = i;
      const setting = sweep.is_grid ? settingAt(sweep.axes, at) : i;
      const of = (column: (number | null)[]) => column[setting] ?? null;
      return { setting, x, value: of(sweep.values), error: of(sweep.std_error), predicted: of(sweep.prediction) };
    });
    return { axis, label, points, joined: sweep.is_grid, logarithmic: is_log, picked: this.picked };
  }

  private under(left: number, top: number): number | null {
    if (this.plot instanceof FamilyPlot) return this.plot.at(left, top);
    const at = this.plot?.at(left, top);
    if (!at || !this.sweep) return null;
    const [x, y] = long(this.sweep);
    const places = this.held.slice();
    if (x !== undefined && y !== undefined) [places[x], places[y]] = at;
    return settingAt(this.sweep.axes, places);
  }

  private key(event: KeyboardEvent): void {
    const { sweep } = this;
    const moves: Record<string, [number, number]> = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    const move = moves[event.key];
    if (!move || !sweep || sweep.axes.length === 0) return;
    event.preventDefault();
    this.point(this.next(sweep, move));
  }

  // The setting that lies in this direction; the first where none is pointed at.
  private next(sweep: WatchedSweep, [across, up]: [number, number]): number {
    const axes = long(sweep);
    if (this.picked === null) return sweep.is_grid ? settingAt(sweep.axes, this.held) : 0;
    if (!sweep.is_grid) return Math.max(0, Math.min(sweep.finished.length - 1, this.picked + across + up));
    const at = placesOf(sweep.axes, this.picked);
    const step = (place: number | undefined, by: number) => {
      if (place === undefined) return;
      const most = (sweep.axes[place]?.names.length ?? 1) - 1;
      at[place] = Math.max(0, Math.min(most, (at[place] ?? 0) + by));
    };
    step(axes[0], axes.length < 2 ? across + up : across);
    step(axes[1], axes.length < 2 ? 0 : up);
    return settingAt(sweep.axes, at);
  }

  private point(setting: number | null): void {
    if (!this.sweep || setting === this.picked || setting === null) return;
    this.picked = setting;
    // An output element is read out when it changes.
    this.pointed.textContent = this.words(this.sweep, setting);
    this.paint();
  }

  private words(sweep: WatchedSweep, setting: number): string {
    const settings = coordinates(sweep, setting).map((name, i) => `${sweep.axes[i]?.label} = ${name}`);
    return `${settings.join(", ")}: ${this.told(sweep).label} ${outcome(sweep, setting).join(", ")}`;
  }

  private list(): void {
    const { sweep } = this;
    if (!sweep || !this.table.open) return;
    const head = [...sweep.axes.map((axis) => axis.label), this.told(sweep).label, "standard error", "predicted"];
    this.head.replaceChildren(...head.map((words) => element("th", { scope: "col" }, words)));
    const count = Math.min(MOST_ROWS, sweep.finished.length);
    const row = (setting: number) => {
      const cells = [
        ...coordinates(sweep, setting),
        sweep.finished[setting] ? number(sweep.values[setting], 5) : "not finished",
        number(sweep.std_error[setting], 2),
        number(sweep.prediction[setting], 5),
      ];
      return element("tr", {}, ...cells.map((words) => element("td", {}, words)));
    };
    this.rows.replaceChildren(...Array.from({ length: count }, (_, setting) => row(setting)));
    if (count < sweep.finished.length) {
      const words = `the first ${count} of ${sweep.finished.length}; all are in sweep.parquet at the end`;
      this.rows.append(element("tr", {}, element("td", { colspan: head.length }, words)));
    }
  }
}

// Axes of a grid along which something varies.
function long(sweep: WatchedSweep): number[] {
  return sweep.axes.flatMap((axis, place) => (axis.names.length > 1 ? [place] : []));
}

// The last axis varies fastest.
function settingAt(axes: SweptAxis[], places: number[]): number {
  return axes.reduce((setting, axis, i) => setting * axis.names.length + (places[i] ?? 0), 0);
}

function placesOf(axes: SweptAxis[], setting: number): number[] {
  let rest = setting;
  const backwards = [...axes].reverse().map((axis) => {
    const place = rest % axis.names.length;
    rest = Math.floor(rest / axis.names.length);
    return place;
  });
  return backwards.reverse();
}

function coordinates(sweep: WatchedSweep, setting: number): string[] {
  if (!sweep.is_grid) return sweep.axes.map((axis) => axis.names[setting] ?? "");
  return placesOf(sweep.axes, setting).map((place, i) => sweep.axes[i]?.names[place] ?? "");
}

function outcome(sweep: WatchedSweep, setting: number): string[] {
  if (!sweep.finished[setting]) return ["not finished"];
  const value = sweep.values[setting] ?? null;
  if (value === null) return ["has no number: every trajectory diverged, or it is not measured there"];
  const error = sweep.std_error[setting] ?? null;
  const predicted = sweep.prediction[setting] ?? null;
  return [
    `${number(value, 5)}${error === null ? "" : ` ± ${number(error, 2)}`}`,
    ...(predicted === null ? [] : [`predicted ${number(predicted, 5)}`]),
  ];
}
