// The eigenvalues of M as particles on a logarithmic line, each in a row of its own, with an arrow for each force.
import { color, dark, element, faint, fromLog, number, ramp, sheet, superscript } from "./dom";
import type { Particle } from "./protocol";
import { FONT } from "./scales";

export type Split = "regular" | "antisymmetric";

interface Force {
  name: string;
  color: string;
  of: (particle: Particle) => number;
}

const of = (common: string): Force[] => [
  { name: "gradient", color: "--s0", of: (p) => p.gradient },
  { name: "own noise", color: "--s3", of: (p) => p.own_noise },
  { name: common, color: "--s4", of: (p) => p.common },
  { name: "repulsion", color: "--s1", of: (p) => p.repulsion },
];

// (λ_i + 3λ_j)/(λ_i − λ_j) is 1 + 4λ_j/(λ_i − λ_j), and −1 + 2(λ_i + λ_j)/(λ_i − λ_j).
const FORCES: Record<Split, Force[]> = { regular: of("common growth"), antisymmetric: of("common decay") };

const ROW = 40;
const TOP = 10;
const BOTTOM = 34;
const LONGEST = 110;

export class ParticleView {
  readonly figure: HTMLElement;
  readonly canvas: HTMLCanvasElement;
  private readonly host: HTMLElement;
  private readonly legend: HTMLElement;
  private readonly note: HTMLElement;
  private particles: Particle[] = [];
  private range: [number, number] | null = null;
  private scale = 0;
  private split: Split = "regular";
  // Whose partners are shown.
  private picked: number | null = null;

  constructor() {
    this.canvas = element("canvas", { "aria-hidden": "true" });
    this.host = element("div", { role: "img", "aria-label": "Eigenvalues of M as particles" }, this.canvas);
    this.legend = element("ul", { class: "legend", "aria-hidden": "true" });
    this.note = element("span", { class: "note" });
    this.figure = element(
      "figure",
      { class: "card", "data-testid": "figure-particles" },
      element("figcaption", {}, element("h2", {}, "Eigenvalues and the forces on them"), this.note),
      this.host,
      this.legend,
    );
    new ResizeObserver(() => this.paint()).observe(this.figure);
    dark.addEventListener("change", () => this.paint());
    this.canvas.addEventListener("pointermove", (event) => {
      const row = Math.floor((event.offsetY - TOP) / ROW);
      this.picked = row >= 0 && row < this.particles.length ? row : null;
      this.paint();
    });
    this.canvas.addEventListener("pointerleave", () => {
      this.picked = null;
      this.paint();
    });
  }

  clear(): void {
    this.range = null;
    this.scale = 0;
    this.particles = [];
  }

  draw(particles: Particle[], split: string): void {
    this.particles = particles;
    this.split = split === "antisymmetric" ? "antisymmetric" : "regular";
    const logs = particles.flatMap((p) => (p.log === null ? [] : [p.log / Math.LN10]));
    if (logs.length > 0) {
      const low = Math.min(...logs);
      const high = Math.max(...logs);
      // The axis follows a particle that would leave it, in whole decades.
      if (!this.range) this.range = [Math.floor(low - 0.4), Math.ceil(high + 0.4)];
      if (low - 0.3 < this.range[0]) this.range[0] = Math.floor(low - (this.range[1] - low) * 0.15 - 0.4);
      if (high + 0.2 > this.range[1]) this.range[1] = Math.ceil(high + 0.4);
    }
    const noise = particles.flatMap((p) => FORCES[this.split].slice(1).map((force) => Math.abs(force.of(p))));
    const pull = particles.map((p) => Math.abs(p.gradient));
    // The noise forces set the scale; a gradient beyond it is cut.
    const largest = Math.max(...noise, 0) || Math.max(...pull, 0) || 1;
    this.scale = this.scale === 0 || Math.abs(Math.log(largest / this.scale)) > 0.4 ? largest : this.scale;
    this.paint();
  }

  describe(): void {
    const words = this.particles.map((p, i) => {
      const forces = FORCES[this.split].map((force) => `${force.name} ${number(force.of(p), 2)}`);
      return `eigenvalue ${i + 1} is ${fromLog(p.log)}: ${forces.join(", ")}`;
    });
    this.host.setAttribute("aria-label", `Eigenvalues of M and forces on their logarithms. ${words.join(". ")}`);
  }

  private paint(): void {
    const width = Math.max(200, this.host.clientWidth);
    const height = TOP + BOTTOM + ROW * Math.max(1, this.particles.length);
    const draw = sheet(this.canvas, width, height);
    if (!draw || !this.range) return;
    draw.font = FONT;
    const [low, high] = this.range;
    const forces = FORCES[this.split];
    const unit = Math.min(LONGEST, width * 0.2);
    // Arrows of particles at the ends have room.
    const left = 30 + unit * 0.6;
    const right = unit * 0.8;
    const x = (log: number) => left + ((log / Math.LN10 - low) / (high - low)) * (width - left - right);
    this.axis(draw, width, height, low, high, left, right);
    this.particles.forEach((particle, row) => {
      const y = TOP + ROW * (row + 0.5);
      draw.fillStyle = color("--muted");
      draw.textAlign = "left";
      draw.fillText(`λ${subscript(row + 1)}`, 4, y + 4);
      if (particle.log === null) return;
      const at = x(particle.log);
      if (this.picked !== null && this.picked !== row) this.partner(draw, row, at, y, x);
      forces.forEach((force, place) => {
        const offset = (place - 1.5) * 7.5;
        arrow(draw, at, y + offset, (force.of(particle) / this.scale) * unit, unit * 1.15, color(force.color));
      });
      draw.beginPath();
      draw.arc(at, y, 7, 0, 2 * Math.PI);
      draw.fillStyle = color(ramp(row, this.particles.length));
      draw.fill();
      draw.strokeStyle = color("--paper");
      draw.lineWidth = 1.5;
      draw.stroke();
    });
    this.legend.replaceChildren(
      ...forces.map((force) => {
        const sample = element("i", {});
        sample.style.borderTopColor = color(force.color);
        return element("li", {}, sample, force.name);
      }),
      element("li", {}, `longest arrow: d log λ/dt = ${number(this.scale, 2)}`),
    );
    this.note.textContent = "one trajectory; point at one to see whom it repels";
  }

  private axis(draw: CanvasRenderingContext2D, width: number, height: number, low: number, high: number, left: number, right: number): void {
    const span = high - low;
    const step = [1, 2, 5, 10, 20, 50, 100].find((s) => span / s <= Math.max(3, (width - left - right) / 60)) ?? 200;
    draw.strokeStyle = color("--grid");
    draw.fillStyle = color("--muted");
    draw.lineWidth = 1;
    draw.textAlign = "center";
    for (let at = Math.ceil(low / step) * step; at <= high; at += step) {
      const x = left + ((at - low) / span) * (width - left - right);
      draw.beginPath();
      draw.moveTo(x, TOP);
      draw.lineTo(x, height - BOTTOM);
      draw.stroke();
      draw.fillText(at === 0 ? "1" : `10${superscript(at)}`, x, height - BOTTOM + 14);
    }
    draw.fillText("eigenvalue λ of M", left + (width - left - right) / 2, height - 4);
  }

  // What the one pointed at does to this one.
  private partner(draw: CanvasRenderingContext2D, row: number, at: number, y: number, x: (log: number) => number): void {
    const source = this.picked === null ? undefined : this.particles[this.picked];
    const push = this.picked === null ? undefined : this.particles[row]?.pairs[this.picked];
    if (!source || source.log === null || push === undefined) return;
    draw.strokeStyle = faint("--s1", 0.55);
    draw.lineWidth = Math.min(12, 1 + (Math.abs(push) / this.scale) * 12);
    draw.beginPath();
    draw.moveTo(x(source.log), TOP + ROW * ((this.picked ?? 0) + 0.5));
    draw.lineTo(at, y);
    draw.stroke();
  }
}

function subscript(value: number): string {
  return [...String(value)].map((digit) => "₀₁₂₃₄₅₆₇₈₉"[Number(digit)] ?? digit).join("");
}

function arrow(draw: CanvasRenderingContext2D, x: number, y: number, length: number, most: number, stroke: string): void {
  if (Math.abs(length) < 1.5) return;
  const cut = Math.abs(length) > most;
  const end = x + Math.sign(length) * Math.min(Math.abs(length), most);
  const head = Math.sign(length) * 5;
  draw.strokeStyle = stroke;
  draw.fillStyle = stroke;
  draw.lineWidth = 2;
  draw.beginPath();
  draw.moveTo(x, y);
  draw.lineTo(end - head * 0.8, y);
  draw.stroke();
  for (const back of cut ? [0, head * 1.2] : [0]) {
    draw.beginPath();
    draw.moveTo(end - back, y);
    draw.lineTo(end - back - head, y - 3.2);
    draw.lineTo(end - back - head, y + 3.2);
    draw.fill();
  }
}
