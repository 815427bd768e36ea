// One number of a sweep over one axis: a point for each setting with its error, lines through those of a grid, and
// what theory says, dashed.
import { color } from "./dom";
import type { SweptAxis } from "./protocol";
import { FONT, nameUpright, type Scale, scaleOf } from "./scales";

export interface Point {
  setting: number;
  x: number;
  value: number | null;
  error: number | null;
  predicted: number | null;
}

export interface Family {
  axis: SweptAxis;
  label: string;
  points: Point[];
  joined: boolean;
  logarithmic: boolean;
  picked: number | null;
}

const LEFT = 72;
const RIGHT = 16;
const TOP = 10;
const BOTTOM = 50;

export class FamilyPlot {
  private readonly x: Scale;
  private readonly y: Scale;
  private readonly points: Point[];

  constructor(
    private readonly draw: CanvasRenderingContext2D,
    private readonly width: number,
    private readonly height: number,
    private readonly of: Family,
  ) {
    this.points = of.joined ? [...of.points].sort((a, b) => a.x - b.x) : of.points;
    const xs = of.points.map((point) => point.x);
    this.x = scaleOf(xs, of.axis.is_log && xs.every((x) => x > 0));
    const ys = of.points.flatMap((p) => [p.value, p.predicted]).filter((value): value is number => value !== null);
    this.y = scaleOf(ys, of.logarithmic);
  }

  paint(): void {
    this.draw.font = FONT;
    this.axes();
    if (this.of.joined) {
      this.line((point) => point.predicted, "--ink", [6, 4]);
      this.line((point) => point.value, "--s0", []);
    }
    for (const point of this.points) this.point(point);
  }

  // The setting nearest to a point of the picture.
  at(left: number, top: number): number | null {
    let best: [number, number] | null = null;
    for (const point of this.points) {
      const place = this.place(point.x, point.value);
      if (!place) continue;
      const distance = Math.hypot(place[0] - left, place[1] - top);
      if (!best || distance < best[1]) best = [point.setting, distance];
    }
    return best && best[1] < 40 ? best[0] : null;
  }

  private place(x: number, y: number | null): [number, number] | null {
    const [across, up] = [this.x.place(x), y === null ? null : this.y.place(y)];
    if (across === null || up === null) return null;
    return [LEFT + across * (this.width - LEFT - RIGHT), TOP + (1 - up) * (this.height - TOP - BOTTOM)];
  }

  private line(of: (point: Point) => number | null, stroke: string, dash: number[]): void {
    const { draw } = this;
    draw.save();
    draw.strokeStyle = color(stroke);
    draw.lineWidth = dash.length > 0 ? 1.6 : 2;
    draw.setLineDash(dash);
    draw.beginPath();
    let down = false;
    for (const point of this.points) {
      const place = this.place(point.x, of(point));
      if (place && down) draw.lineTo(...place);
      else if (place) draw.moveTo(...place);
      down = place !== null;
    }
    draw.stroke();
    draw.restore();
  }

  private point(point: Point): void {
    const place = this.place(point.x, point.value);
    if (!place || point.value === null) return;
    const { draw } = this;
    const [x, y] = place;
    const ends = [-1, 1].map((sign) => this.place(point.x, (point.value ?? 0) + sign * (point.error ?? 0))?.[1] ?? y);
    draw.strokeStyle = color("--s0");
    draw.lineWidth = 1.5;
    draw.beginPath();
    draw.moveTo(x, ends[0] ?? y);
    draw.lineTo(x, ends[1] ?? y);
    draw.stroke();
    const picked = point.setting === this.of.picked;
    draw.fillStyle = color(picked ? "--s1" : "--s0");
    draw.beginPath();
    draw.arc(x, y, picked ? 6 : 3.5, 0, 2 * Math.PI);
    draw.fill();
  }

  private axes(): void {
    const { draw } = this;
    draw.strokeStyle = color("--grid");
    draw.fillStyle = color("--muted");
    draw.lineWidth = 1;
    const [wide, high] = [this.width - LEFT - RIGHT, this.height - TOP - BOTTOM];
    const rule = (x1: number, y1: number, x2: number, y2: number) => {
      draw.beginPath();
      draw.moveTo(x1, y1);
      draw.lineTo(x2, y2);
      draw.stroke();
    };
    draw.textAlign = "center";
    for (const { value, label } of this.x.ticks) {
      const at = LEFT + (this.x.place(value) ?? 0) * wide;
      rule(at, TOP, at, TOP + high);
      draw.fillText(label, at, TOP + high + 16);
    }
    draw.fillText(this.of.axis.label, LEFT + wide / 2, this.height - 10);
    draw.textAlign = "right";
    for (const { value, label } of this.y.ticks) {
      const at = TOP + (1 - (this.y.place(value) ?? 0)) * high;
      rule(LEFT, at, LEFT + wide, at);
      draw.fillText(label, LEFT - 6, at + 4);
    }
    nameUpright(draw, this.of.label, TOP + high / 2);
  }
}
