// Charts over time: measurements as lines and bands, theory dashed and in ink, changes as marks.
import uPlot from "uplot";
import { color, dark, element, faint, number, superscript } from "./dom";
import type { Column } from "./history";
import type { Mark } from "./protocol";
import { onLogarithmicTime, type Timed } from "./logtime";
import { FONT } from "./scales";
import { type TimeAxis, timeAxis, timeChoice } from "./time";

// One line of a chart.
export interface Line {
  // Which column.
  key: string;
  label: string;
  // A variable of the style sheet.
  color: string;
  dashed?: boolean;
  // Whether `key.low` to `key.high` is shaded.
  band?: boolean;
  thin?: boolean;
  // Left out of the legend.
  unnamed?: boolean;
}

export interface Table {
  times: number[];
  columns: Map<string, Column>;
  marks: Mark[];
}

const INCREMENTS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000];

// Values are decimal logarithms.
function powers(_: uPlot, splits: number[]): string[] {
  return splits.map((value) => {
    if (Number.isInteger(value)) return value === 0 ? "1" : `10${superscript(value)}`;
    return Math.abs(value) < 4 ? number(10 ** value, 2) : "";
  });
}

function plain(_: uPlot, splits: number[]): string[] {
  return splits.map((value) => number(value, 4));
}

// Of a logarithmic axis of time: powers of ten, and what is between them where there are few.
function decades(plot: uPlot, splits: number[]): (number | null)[] {
  const { min, max } = plot.scales.x ?? {};
  const span = Math.log10((max ?? 10) / (min ?? 1));
  const shown = span > 2.2 ? [1] : span > 0.9 ? [1, 2, 5] : [1, 2, 3, 4, 5, 6, 7, 8, 9];
  return splits.map((value) => (shown.includes(Math.round(value / 10 ** Math.floor(Math.log10(value) + 1e-9))) ? value : null));
}

function times(_: uPlot, splits: (number | null)[]): string[] {
  return splits.map((value) => (value === null ? "" : number(value, 4)));
}

// The range of a logarithmic axis of time: that of the points, which begin after t = 0.
function decadesAround(_: uPlot, low: number | null, high: number | null): [number, number] {
  if (low === null || high === null || !(low > 0)) return [0.1, 1];
  return [low, Math.max(high, low * 1.1)];
}

export class Chart {
  readonly figure: HTMLElement;
  private plot: uPlot | null = null;
  private readonly host: HTMLElement;
  private readonly legend: HTMLElement;
  readonly note: HTMLElement;
  private lines: Line[] = [];
  private table: Table | null = null;
  private seen = "";
  private axis: TimeAxis = timeAxis();

  constructor(
    readonly title: string,
    readonly name: string,
    readonly logarithmic: boolean,
    private readonly unit: string,
  ) {
    this.host = element("div", { class: "plot", role: "img", "aria-label": title });
    this.legend = element("ul", { class: "legend", "aria-hidden": "true" });
    this.note = element("span", { class: "note" });
    this.figure = element(
      "figure",
      { class: "card", "data-testid": `figure-${name}` },
      element("figcaption", {}, element("h2", {}, title), this.note),
      this.host,
      this.legend,
    );
    new ResizeObserver(() => this.resize()).observe(this.host);
    dark.addEventListener("change", () => this.rebuild());
  }

  // Which lines it has from now on.
  show(lines: Line[]): void {
    const wanted = JSON.stringify(lines);
    if (wanted === this.seen) return;
    this.seen = wanted;
    this.lines = lines;
    this.rebuild();
  }

  // Said to who cannot see it.
  describe(words: string): void {
    this.host.setAttribute("aria-label", `${this.title}: ${words}`);
  }

  draw(table: Table): void {
    this.table = table;
    if (this.plot) this.plot.setData(this.data(table));
  }

  // On which axis time is drawn from now on.
  over(axis: TimeAxis): void {
    this.axis = axis;
    this.rebuild();
  }

  get shown(): Line[] {
    return this.lines;
  }

  get timeAxis(): TimeAxis {
    return this.axis;
  }

  // The points that its lines go through.
  points(table: Table): Timed {
    if (this.axis === "logarithmic") return onLogarithmicTime(table);
    const nothing = new Array<number | null>(table.times.length).fill(null);
    return { times: table.times, of: (key) => table.columns.get(key) ?? nothing };
  }

  get canvas(): HTMLCanvasElement | null {
    return this.host.querySelector("canvas");
  }

  private data(table: Table): uPlot.AlignedData {
    const { times, of } = this.points(table);
    const columns: Column[] = [];
    for (const line of this.lines) {
      columns.push(of(line.key));
      if (line.band) columns.push(of(`${line.key}.high`), of(`${line.key}.low`));
    }
    return [times, ...columns] as uPlot.AlignedData;
  }

  private rebuild(): void {
    this.plot?.destroy();
    this.plot = null;
    this.legend.replaceChildren(
      ...this.lines
        .filter((line) => !line.unnamed)
        .map((line) => {
          const sample = element("i", { class: line.dashed ? "dashed" : "" });
          sample.style.borderTopColor = color(line.color);
          return element("li", {}, sample, line.label);
        }),
    );
    const width = this.host.clientWidth;
    if (width < 40) return;
    const series: uPlot.Series[] = [{}];
    const bands: uPlot.Band[] = [];
    for (const line of this.lines) {
      series.push({
        stroke: color(line.color),
        width: line.dashed ? 1.6 : line.thin ? 1.4 : 2.2,
        dash: line.dashed ? [6, 4] : undefined,
        points: { show: false },
      });
      if (line.band) {
        const at = series.length;
        const edge: uPlot.Series = { stroke: "transparent", width: 0, points: { show: false } };
        series.push(edge, { ...edge });
        bands.push({ series: [at, at + 1], fill: faint(line.color, 0.17) });
      }
    }
    const axis = {
      stroke: color("--muted"),
      grid: { stroke: color("--grid"), width: 1 },
      ticks: { stroke: color("--grid"), width: 1 },
      font: FONT,
      labelFont: FONT,
      labelSize: 18,
    };
    const logarithmic = this.axis === "logarithmic";
    const options: uPlot.Options = {
      width,
      height: this.host.clientHeight,
      series,
      bands,
      legend: { show: false },
      cursor: { show: false },
      padding: [8, 12, 0, 0],
      scales: { x: { time: false, ...(logarithmic ? { distr: 3, log: 10, range: decadesAround } : {}) }, y: { range: (_, low, high) => this.range(low, high) } },
      axes: [
        { ...axis, label: "time t", size: 34, ...(logarithmic ? { filter: decades, values: times } : { values: plain }) },
        {
          ...axis,
          label: this.unit,
          size: 58,
          values: this.logarithmic ? powers : plain,
          ...(this.logarithmic ? { incrs: INCREMENTS, space: 26 } : {}),
        },
      ],
      hooks: { draw: [(plot) => this.marks(plot)] },
    };
    const table = this.table ?? { times: [], columns: new Map(), marks: [] };
    this.plot = new uPlot(options, this.data(table), this.host);
    this.plot.root.querySelectorAll("canvas").forEach((c) => c.setAttribute("aria-hidden", "true"));
  }

  private range(low: number | null, high: number | null): [number, number] {
    if (low === null || high === null || !Number.isFinite(low) || !Number.isFinite(high)) return [0, 1];
    const least = this.logarithmic ? 0.3 : Math.max(1e-6, Math.abs(high) * 1e-3, this.name === "ranks" ? 1 : 0.2);
    const pad = Math.max((high - low) * 0.06, (least - (high - low)) / 2, 1e-9);
    const bottom = this.name === "ranks" ? 0 : low - pad;
    return [bottom, high + pad];
  }

  private marks(plot: uPlot): void {
    const draw = plot.ctx;
    const { left, top, width, height } = plot.bbox;
    const ratio = uPlot.pxRatio;
    draw.save();
    draw.strokeStyle = color("--ink");
    draw.fillStyle = color("--ink");
    draw.font = `${11 * ratio}px system-ui, 'DejaVu Sans', sans-serif`;
    draw.setLineDash([2 * ratio, 3 * ratio]);
    draw.lineWidth = ratio;
    (this.table?.marks ?? []).slice(-8).forEach((mark, place) => {
      // A change at the start lies before everything that a logarithmic axis shows.
      const x = mark.time > 0 || this.axis === "linear" ? plot.valToPos(mark.time, "x", true) : left;
      if (x < left || x > left + width) return;
      draw.beginPath();
      draw.moveTo(x, top);
      draw.lineTo(x, top + height);
      draw.stroke();
      draw.textAlign = x > left + width * 0.6 ? "right" : "left";
      const shift = draw.textAlign === "right" ? -4 : 4;
      const words = mark.words.length > 34 ? `${mark.words.slice(0, 33)}…` : mark.words;
      draw.fillText(words, x + shift * ratio, top + (12 + 13 * (place % 3)) * ratio);
    });
    draw.restore();
  }

  private resize(): void {
    const { clientWidth: width, clientHeight: height } = this.host;
    if (!this.plot) this.rebuild();
    else if (width > 40 && (width !== this.plot.width || height !== this.plot.height)) {
      this.plot.setSize({ width, height });
    }
  }
}

// The figures over time of a run.
export class RunCharts {
  readonly spectrum = new Chart("Singular values", "spectrum", true, "singular value");
  readonly logDet = new Chart("log det M", "log-det-curve", false, "log det M");
  readonly losses = new Chart("Losses", "losses", true, "loss");
  readonly ranks = new Chart("Ranks", "ranks", false, "rank");
  readonly all = [this.spectrum, this.logDet, this.losses, this.ranks];
  // A control for whoever shows them.
  readonly time = timeChoice((axis) => this.all.forEach((chart) => chart.over(axis)));
}
