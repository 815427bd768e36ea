// The figures of a simulation, and the values beside them.
import { type Line, RunCharts } from "./charts";
import { element, fixed, fromLog, number, place, ramp, still } from "./dom";
import { type History, MATRICES, type Matrix } from "./history";
import { MatrixView } from "./matrices";
import { ParticleView } from "./particles";
import type { Frame, RunFrame, WeightMatrices } from "./protocol";


const NAMES: Record<Matrix, string> = { theta: "Θ", w1: "W₁", w2: "W₂", product: "W₁W₂" };

// The second run is told from the first by its colours.
const OF_RUN = ["--s0", "--s1"];

export class Figures {
  readonly charts = new RunCharts();
  readonly particles = new ParticleView();
  readonly matrices = new MatrixView();
  matrix: Matrix = "theta";
  labels: string[] = ["", ""];
  private readonly values = new Map<string, HTMLElement>();
  private due = false;
  private painted = 0;
  private described = 0;
  private weights: WeightMatrices | null = null;

  constructor(
    private readonly history: History,
    bar: HTMLElement,
  ) {
    const list = element("dl", { class: "values" });
    const value = (id: string, label: string) => {
      const out = element("dd", { "data-testid": id }, "–");
      this.values.set(id, out);
      list.append(element("div", {}, element("dt", {}, label), out));
    };
    value("time", "time t");
    value("step", "steps");
    value("log-det", "log det M");
    value("law", "its law");
    value("rank", "rank of W₁");
    value("effective-rank", "effective rank");
    value("smallest", "smallest σ of Θ");
    value("loss", "loss");
    value("pace", "t per second");
    value("diverged", "diverged");
    bar.append(list);
    const figures = this.charts.all.map((chart) => chart.figure);
    place("figures").append(...figures.slice(0, 2), this.particles.figure, ...figures.slice(2), this.matrices.figure);
    const choice = element(
      "select",
      { "aria-label": "Matrix whose singular values are shown", "data-testid": "matrix" },
      ...MATRICES.map((name) => element("option", { value: name }, NAMES[name])),
    );
    choice.addEventListener("change", () => {
      this.matrix = choice.value as Matrix;
      this.relabel();
    });
    const holder = element("span", {}, choice);
    this.charts.spectrum.figure.querySelector("figcaption")?.append(holder);
  }

  // After anything that changes which lines there are.
  relabel(): void {
    const frame = this.history.last;
    if (!frame) return;
    this.charts.spectrum.show(frame.runs.flatMap((run, index) => this.ofSpectrum(run, index, frame)));
    this.charts.logDet.show(frame.runs.flatMap((_, index) => this.ofLogDet(index, frame)));
    this.charts.losses.show(frame.runs.flatMap((run, index) => this.ofLosses(run, index, frame)));
    this.charts.ranks.show(frame.runs.flatMap((_, index) => this.ofRanks(index, frame)));
    this.refresh();
  }

  private name(index: number, frame: Frame): string {
    return frame.runs.length > 1 ? `, ${this.labels[index]}` : "";
  }

  private ofSpectrum(run: RunFrame, index: number, frame: Frame): Line[] {
    const count = run.matrices[MATRICES.indexOf(this.matrix)]?.log_sigma.length ?? 0;
    const lines: Line[] = [];
    for (let i = 0; i < count; i += 1) {
      const key = `${index}.${this.matrix}.${i}`;
      const single = frame.runs.length === 1;
      lines.push({
        key,
        label: single ? `σ${i + 1}` : `${this.labels[index]}`,
        color: single ? ramp(i, count) : (OF_RUN[index] ?? "--s2"),
        band: true,
        unnamed: single ? count > 12 : i > 0,
      });
      lines.push({ key: `${key}.slow`, label: "slow flow", color: "--ink", dashed: true, unnamed: i > 0 || index > 0 });
    }
    return lines;
  }

  private ofLogDet(index: number, frame: Frame): Line[] {
    const more = this.name(index, frame);
    return [
      { key: `${index}.log_det`, label: `measured${more}`, color: OF_RUN[index] ?? "--s2", band: true },
      { key: `${index}.law`, label: "law", color: "--ink", dashed: true, unnamed: index > 0 },
    ];
  }

  private ofLosses(run: RunFrame, index: number, frame: Frame): Line[] {
    const more = this.name(index, frame);
    const lines: Line[] = [{ key: `${index}.loss`, label: `training${more}`, color: OF_RUN[index] ?? "--s2", band: true }];
    if (run.population_loss) {
      const color = index === 0 ? "--s4" : "--s5";
      lines.push({ key: `${index}.population_loss`, label: `fresh samples${more}`, color, thin: true });
    }
    const color = index === 0 ? "--s2" : "--s3";
    lines.push({ key: `${index}.excess_loss`, label: `above the optimum${more}`, color, thin: true });
    return lines;
  }

  private ofRanks(index: number, frame: Frame): Line[] {
    const more = this.name(index, frame);
    const color = OF_RUN[index] ?? "--s2";
    return [
      { key: `${index}.w1.effective`, label: `effective rank of W₁${more}`, color },
      { key: `${index}.w1.numerical`, label: `numerical rank of W₁${more}`, color: index === 0 ? "--s2" : "--s3", thin: true },
    ];
  }

  // Shows what is there, at most so often.
  refresh(): void {
    if (this.due) return;
    this.due = true;
    const pause = still.matches ? 500 : 0;
    const wait = Math.max(0, this.painted + pause - performance.now());
    window.setTimeout(() => window.requestAnimationFrame(() => this.paint()), wait);
  }

  private paint(): void {
    this.due = false;
    const frame = this.history.last;
    const first = frame?.runs[0];
    if (!frame || !first) return;
    this.painted = performance.now();
    this.tell(frame, first);
    for (const chart of this.charts.all) chart.draw(this.history);
    this.particles.draw(first.particles, first.split);
    if (first.weights && first.weights !== this.weights) {
      this.weights = first.weights;
      this.matrices.draw(first.weights);
    }
    if (this.painted - this.described > 2000) {
      this.described = this.painted;
      this.describe(first);
    }
  }

  private tell(frame: Frame, run: RunFrame): void {
    const put = (id: string, words: string) => {
      const at = this.values.get(id);
      if (at && at.textContent !== words) at.textContent = words;
    };
    const w1 = run.matrices[1];
    put("time", fixed(frame.time, frame.time < 100 ? 2 : 1));
    put("step", String(run.step));
    put("log-det", fixed(run.log_det.mean, 3));
    put("law", run.law === null ? "–" : fixed(run.law, 3));
    put("rank", fixed(w1?.numerical_rank, 2));
    put("effective-rank", fixed(w1?.effective_rank, 3));
    put("smallest", fromLog(run.matrices[0]?.log_sigma.at(-1)?.mean));
    put("loss", number(run.loss.mean, 4));
    put("pace", frame.pace === null ? "–" : number(frame.pace, 3));
    put("diverged", String(run.diverged));
    const why = run.why_not_slow;
    const note = why ? `no slow flow: ${why}` : "dashed: slow flow";
    if (this.charts.spectrum.note.textContent !== note) this.charts.spectrum.note.textContent = note;
    const law = run.law === null ? "no law for these dynamics" : `dashed: law, ν = ${number(run.intensity, 3)}`;
    if (this.charts.logDet.note.textContent !== law) this.charts.logDet.note.textContent = law;
  }

  private describe(run: RunFrame): void {
    const sigma = run.matrices[MATRICES.indexOf(this.matrix)]?.log_sigma ?? [];
    const values = sigma.map((band, i) => `${i + 1}: ${fromLog(band.mean)}`).join(", ");
    this.charts.spectrum.describe(`singular values of ${NAMES[this.matrix]} on a logarithmic axis over time; now ${values}`);
    this.charts.logDet.describe(`now ${fixed(run.log_det.mean, 3)}, the law says ${fixed(run.law, 3)}`);
    this.charts.losses.describe(`training loss now ${number(run.loss.mean, 3)}`);
    const w1 = run.matrices[1];
    this.charts.ranks.describe(`effective rank of W1 now ${fixed(w1?.effective_rank, 2)}, numerical rank ${fixed(w1?.numerical_rank, 2)}`);
    this.particles.describe();
    this.matrices.describe();
  }
}
