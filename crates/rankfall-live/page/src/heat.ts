// A heat map over two axes of a sweep: a cell for each setting, as it fills up.
import { color, number, ramp } from "./dom";
import type { SweptAxis } from "./protocol";
import { FONT, nameUpright, type Scale, scaleOf } from "./scales";

export interface Cell {
  // Which setting.
  setting: number;
  value: number | null;
  finished: boolean;
}

export interface Heat {
  x: SweptAxis;
  y: SweptAxis;
  // By the places of x and y.
  cell(x: number, y: number): Cell;
  logarithmic: boolean;
  // The setting pointed at.
  picked: number | null;
}

const LEFT = 78;
const RIGHT = 92;
const TOP = 8;
const BOTTOM = 52;
// Of a logarithmic scale: what is smaller than the largest number by more than this has the shade of its end.
const WIDEST = 1e-6;

export class HeatPlot {
  private readonly scale: Scale;

  constructor(
    private readonly draw: CanvasRenderingContext2D,
    private readonly width: number,
    private readonly height: number,
    private readonly of: Heat,
  ) {
    const cells = of.y.names.flatMap((_, y) => of.x.names.map((_, x) => of.cell(x, y).value));
    const values = cells.filter((value): value is number => value !== null);
    const least = of.logarithmic ? Math.max(...values) * WIDEST : -Infinity;
    this.scale = scaleOf(values.filter((value) => value >= least), of.logarithmic, 0);
  }

  paint(): void {
    const { draw, of } = this;
    draw.font = FONT;
    of.y.names.forEach((_, y) => of.x.names.forEach((_, x) => this.cell(x, y)));
    this.names();
    this.bar();
  }

  // The places of x and y under a point of the picture; null beside the map.
  at(left: number, top: number): [number, number] | null {
    const x = Math.floor((left - LEFT) / this.wide);
    const y = this.of.y.names.length - 1 - Math.floor((top - TOP) / this.high);
    const inside = x >= 0 && y >= 0 && x < this.of.x.names.length && y < this.of.y.names.length;
    return inside ? [x, y] : null;
  }

  private get wide(): number {
    return (this.width - LEFT - RIGHT) / this.of.x.names.length;
  }

  private get high(): number {
    return (this.height - TOP - BOTTOM) / this.of.y.names.length;
  }

  private corner(x: number, y: number): [number, number] {
    return [LEFT + x * this.wide, TOP + (this.of.y.names.length - 1 - y) * this.high];
  }

  private cell(x: number, y: number): void {
    const { draw, wide, high } = this;
    const cell = this.of.cell(x, y);
    const [left, top] = this.corner(x, y);
    const share = cell.value === null ? null : this.scale.place(cell.value);
    if (share !== null) {
      draw.fillStyle = shade(share);
      draw.fillRect(left, top, wide + 0.5, high + 0.5);
      if (wide >= 46 && high >= 18) this.write(number(cell.value, 3), left, top, share);
    } else if (cell.finished) {
      this.hatch(left, top);
    }
    draw.lineWidth = 1;
    if (!cell.finished) {
      draw.strokeStyle = color("--grid");
      draw.strokeRect(left + 0.5, top + 0.5, wide - 1, high - 1);
    }
    if (cell.setting === this.of.picked) {
      draw.strokeStyle = color("--s1");
      draw.lineWidth = 3;
      draw.strokeRect(left + 1.5, top + 1.5, wide - 3, high - 3);
    }
  }

  private write(words: string, left: number, top: number, share: number): void {
    const { draw } = this;
    draw.fillStyle = luminance(shade(share)) > 0.18 ? "#101014" : "#ffffff";
    draw.textAlign = "center";
    draw.textBaseline = "middle";
    draw.fillText(words, left + this.wide / 2, top + this.high / 2);
    draw.textBaseline = "alphabetic";
  }

  // Finished, and without a number.
  private hatch(left: number, top: number): void {
    const { draw, wide, high } = this;
    draw.save();
    draw.beginPath();
    draw.rect(left, top, wide, high);
    draw.clip();
    draw.strokeStyle = color("--muted");
    draw.lineWidth = 1;
    draw.beginPath();
    for (let at = -high; at < wide; at += 6) {
      draw.moveTo(left + at, top + high);
      draw.lineTo(left + at + high, top);
    }
    draw.stroke();
    draw.restore();
  }

  private names(): void {
    const { draw, of } = this;
    draw.fillStyle = color("--muted");
    draw.textAlign = "center";
    const everyX = Math.ceil(52 / this.wide);
    of.x.names.forEach((name, x) => {
      if (x % everyX === 0) draw.fillText(short(name), LEFT + (x + 0.5) * this.wide, this.height - BOTTOM + 16);
    });
    draw.fillText(of.x.label, LEFT + (this.width - LEFT - RIGHT) / 2, this.height - 10);
    draw.textAlign = "right";
    const everyY = Math.ceil(16 / this.high);
    of.y.names.forEach((name, y) => {
      const [, top] = this.corner(0, y);
      if (y % everyY === 0) draw.fillText(short(name), LEFT - 6, top + this.high / 2 + 4);
    });
    nameUpright(draw, of.y.label, TOP + (this.height - TOP - BOTTOM) / 2);
  }

  // What the shades mean.
  private bar(): void {
    const { draw } = this;
    const [left, height] = [this.width - RIGHT + 16, this.height - TOP - BOTTOM];
    for (let row = 0; row < height; row += 1) {
      draw.fillStyle = shade(1 - row / (height - 1));
      draw.fillRect(left, TOP + row, 14, 1.5);
    }
    draw.fillStyle = color("--muted");
    draw.textAlign = "left";
    for (const { value, label } of this.scale.ticks) {
      const share = this.scale.place(value);
      if (share !== null && share >= 0 && share <= 1) draw.fillText(label, left + 19, TOP + (1 - share) * height + 4);
    }
  }
}

// Between two colours of the ramp, which rises or falls in lightness all along.
function shade(share: number): string {
  const at = Math.max(0, Math.min(1, share)) * 11;
  const [low, high] = [Math.floor(at), Math.ceil(at)];
  const [a, b] = [channels(color(ramp(low, 12))), channels(color(ramp(high, 12)))];
  const mixed = a.map((value, i) => Math.round(value + (at - low) * ((b[i] ?? value) - value)));
  return `#${mixed.map((value) => value.toString(16).padStart(2, "0")).join("")}`;
}

function channels(hex: string): number[] {
  return [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16));
}

function luminance(hex: string): number {
  const [r = 0, g = 0, b = 0] = channels(hex).map((value) => (value / 255) ** 2.2);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function short(name: string): string {
  const value = Number(name);
  const words = Number.isFinite(value) ? number(value, 3) : name;
  return words.length > 11 ? `${words.slice(0, 10)}…` : words;
}
