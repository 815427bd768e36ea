// The page in front of folders: how far runs, sweeps and shards are, and what they hold so far.
import { type Chart, type Line, RunCharts, type Table } from "./charts";
import { announce, complain, element, number, offer, place, ramp } from "./dom";
import type { Column } from "./history";
import type { TimeSeries, WatchRequest, PageState, WatchReply, WatchedDynamics, WatchedFolder } from "./protocol";
import { Server } from "./server";
import { SweepView } from "./sweep";


const EVERY = 1500;
const TEN = Math.LN10;

const STATES: Record<string, string> = {
  waiting: "waiting",
  running: "running",
  stopped: "stopped: nobody has written for a while",
  finished: "finished",
};

function duration(seconds: number): string {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${number(seconds / 3600, 2)} h`;
}

export class WatchPage {
  private readonly server: Server;
  private readonly charts = new RunCharts();
  private readonly sweep = new SweepView(() => this.lookNow());
  private readonly body = element("tbody");

  private timer = 0;
  private turn = 0;
  private readonly run: HTMLSelectElement;
  private readonly matrix: HTMLSelectElement;
  private last: WatchReply = { folders: [], sweep: null };
  private states = "";

  constructor(start: PageState) {
    this.server = new Server(start.token);
    place("mode").textContent = "watch";
    place("layout").classList.add("alone");
    place("controls").remove();
    place("to-controls").remove();
    place("subject").textContent = "what run folders hold so far";
    const head = ["Run", "State", "Done", "Time left", "Dynamics", "Finished", "Diverged"];
    const table = element(
      "table",
      { "data-testid": "runs" },
      element("thead", {}, element("tr", {}, ...head.map((words) => element("th", { scope: "col" }, words)))),
      this.body,
    );
    this.run = element("select", { "aria-label": "Run and dynamics shown", "data-testid": "dynamics" });
    this.matrix = element("select", { "aria-label": "Matrix whose singular values are shown", "data-testid": "matrix" });
    for (const choice of [this.run, this.matrix]) {
      choice.addEventListener("change", () => this.lookNow());
    }
    place("bar").append(element("div", { class: "buttons" }, this.run, this.matrix, this.charts.time));
    const host = element("div", { class: "card whole scroll", tabindex: 0, role: "region", "aria-label": "Folders" }, table);
    place("figures").append(host, this.sweep.figure, ...this.charts.all.map((chart) => chart.figure));
    void this.look();
  }

  private lookNow(): void {
    window.clearTimeout(this.timer);
    this.draw();
    void this.look();
  }

  // The folder and the dynamics that are shown.
  private get chosen(): { folder: WatchedFolder; place: number; one: WatchedDynamics } | null {
    const [place, ...path] = this.run.value.split(" ");
    const folder = this.last.folders.find((one) => one.folder === path.join(" "));
    const one = folder?.dynamics[Number(place)];
    return folder && one ? { folder, place: Number(place), one } : null;
  }

  private get wish(): WatchRequest {
    const { chosen } = this;
    if (chosen?.folder.counts !== "points") return { sweep: null };
    return { sweep: { folder: chosen.folder.folder, dynamics: chosen.place, quantity: this.sweep.wanted } };
  }

  private async look(): Promise<void> {
    const { wish } = this;
    this.turn += 1;
    const { turn } = this;
    let wait = EVERY;
    try {
      const answer = await this.server.ask<WatchReply>("/watch", wish);
      // What was asked for before something else was chosen.
      if (turn !== this.turn) return;
      this.last = answer;
      this.tell();
      this.draw();
      // What is shown first is known only now.
      if (JSON.stringify(this.wish) !== JSON.stringify(wish) && this.last.sweep === null) wait = 0;
    } catch (error) {
      complain(error);
    }
    window.clearTimeout(this.timer);
    this.timer = window.setTimeout(() => void this.look(), wait);
  }

  private tell(): void {
    this.body.replaceChildren(...this.last.folders.flatMap((folder) => rows(folder)));
    // Of one name there may be several; a shard is shown with its whole.
    const names = this.last.folders.filter((folder) => folder.counts === "points" || folder.dynamics.some((one) => one.curves.length > 0)).map((folder) => folder.name);
    const named = ({ name, folder }: WatchedFolder) =>
      name && names.filter((other) => other === name).length < 2 ? name : `${name} (${folder})`;
    const options = this.last.folders.flatMap((folder) =>
      folder.dynamics.flatMap((one, d) =>
        one.curves.length > 0 || folder.counts === "points" ? [[`${d} ${folder.folder}`, `${named(folder)}: ${one.label}`] as const] : [],
      ),
    );
    offer(this.run, options);
    const states = this.last.folders.map((folder) => `${folder.folder} is ${folder.state}`).join("; ");
    if (this.states && states !== this.states) announce(states);
    this.states = states;
  }

  private draw(): void {
    const { chosen } = this;
    if (!chosen) return;
    const { folder, one } = chosen;
    const swept = folder.counts === "points";
    this.sweep.figure.hidden = !swept;
    for (const control of [this.matrix, this.charts.time]) control.hidden = swept;
    if (swept) {
      for (const chart of this.charts.all) chart.figure.hidden = true;
      if (this.last.sweep?.folder === folder.folder) this.sweep.show(this.last.sweep);
      return;
    }
    const matrices = [...new Set(one.curves.filter((c) => c.observable.startsWith("log_singular_value")).map(matrixOf))];
    offer(this.matrix, matrices.map((name) => [name, name]));
    const spectrum = one.curves.filter((c) => c.observable.startsWith("log_singular_value") && matrixOf(c) === this.matrix.value);
    show(this.charts.spectrum, spectrum, (c, i) => ({ label: `σ${c.index}`, color: ramp(i, spectrum.length) }), 1 / TEN);
    const named = (name: string) => one.curves.filter((c) => c.observable === name);
    show(this.charts.logDet, named("log_det"), () => ({ label: "measured", color: "--s0" }), 1);
    const losses = [...named("loss"), ...named("population_loss")];
    show(this.charts.losses, losses, (c, i) => ({ label: c.observable.replaceAll("_", " "), color: i === 0 ? "--s0" : "--s4" }), 0);
    const ranks = one.curves.filter((c) => c.observable.startsWith("effective_rank"));
    show(this.charts.ranks, ranks, (c, i) => ({ label: `effective rank of ${matrixOf(c)}`, color: `--s${i % 8}` }), 1);
    const end = named("log_det")[0]?.mean.at(-1);
    this.charts.logDet.describe(`at the end ${number(end, 5)}`);
  }
}

function matrixOf(curve: TimeSeries): string {
  if (curve.layer !== null) return `layer ${curve.layer}`;
  const name = curve.observable.replace(/^(log_singular_value|effective_rank)_?/, "");
  return name === "theta" ? "Θ" : name || "W";
}

// With scale 0 values are not logarithms yet.
function show(chart: Chart, curves: TimeSeries[], named: (curve: TimeSeries, index: number) => { label: string; color: string }, scale: number): void {
  const [first] = curves;
  const columns = new Map<string, Column>();
  const of = (values: Column): Column =>
    values.map((v) => (v === null ? null : scale !== 0 ? v * scale : v > 0 ? Math.log10(v) : null));
  const lines: Line[] = [];
  curves.forEach((curve, i) => {
    const key = String(i);
    columns.set(key, of(curve.mean));
    columns.set(`${key}.low`, of(curve.low));
    columns.set(`${key}.high`, of(curve.high));
    lines.push({ key, ...named(curve, i), band: true, unnamed: i > 11 });
    if (curve.law.some((v) => v !== null)) {
      columns.set(`${key}.law`, of(curve.law));
      lines.push({ key: `${key}.law`, label: curve.observable === "log_det" ? "law" : "slow flow", color: "--ink", dashed: true, unnamed: i > 0 });
    }
  });
  const table: Table = { times: first?.times ?? [], columns, marks: [] };
  chart.figure.hidden = curves.length === 0;
  chart.show(lines);
  chart.draw(table);
}

function called(folder: WatchedFolder): string {
  const name = folder.name ? `${folder.name} (${folder.folder})` : folder.folder;
  return folder.note ? `${name}: ${folder.note}` : name;
}

function rows(folder: WatchedFolder): HTMLElement[] {
  const bar = element("progress", { max: 1, value: folder.done, "aria-label": `${folder.folder}: share done` });
  const left = folder.seconds_left === null ? "–" : duration(folder.seconds_left);
  const state = folder.trouble ?? STATES[folder.state] ?? folder.state;
  // A shard of a run has a line for the dynamics that it is at; all of them are told of the whole.
  const told = folder.counts === "trajectories" && folder.dynamics.every((one) => one.curves.length === 0) ? folder.dynamics.slice(-1) : folder.dynamics;
  const first: WatchedDynamics | undefined = told[0];
  const of = (one: WatchedDynamics | undefined) =>
    one ? [one.label, `${one.done} of ${one.of} ${folder.counts}`, String(one.diverged)] : ["", "", ""];
  const cell = (content: string | Node) => element("td", {}, content);
  const head = element(
    "tr",
    { "data-state": folder.state },
    element("th", { scope: "row" }, called(folder)),
    cell(state),
    element("td", {}, bar, ` ${Math.floor(folder.done * 100 + 1e-9)} %`),
    cell(left),
    ...of(first).map(cell),
  );
  const more = told.slice(1).map((one) => element("tr", {}, cell(""), cell(""), cell(""), cell(""), ...of(one).map(cell)));
  return [head, ...more];
}
