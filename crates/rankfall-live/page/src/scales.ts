// Axes of pictures that are no series over time: where a number lies, and which numbers are written at it.
import { number, superscript } from "./dom";

export interface Scale {
  readonly low: number;
  readonly high: number;
  // From 0 to 1 between the ends; null for what has no place there.
  place(value: number): number | null;
  ticks: { value: number; label: string }[];
}

// Over all these numbers, with some room at the ends.
export function scaleOf(values: number[], logarithmic: boolean, room = 0.05): Scale {
  const shown = values.filter((value) => Number.isFinite(value) && (!logarithmic || value > 0));
  const map = (value: number) => (logarithmic ? Math.log10(value) : value);
  let low = Math.min(...shown.map(map));
  let high = Math.max(...shown.map(map));
  if (shown.length === 0) [low, high] = [0, 1];
  if (high - low < 1e-9 * Math.max(1, Math.abs(high))) [low, high] = [low - 0.5, high + 0.5];
  const more = room * (high - low);
  [low, high] = [low - more, high + more];
  return {
    low,
    high,
    place: (value) => (Number.isFinite(value) && (!logarithmic || value > 0) ? (map(value) - low) / (high - low) : null),
    ticks: logarithmic ? powers(low, high) : steps(low, high),
  };
}

function powers(low: number, high: number): { value: number; label: string }[] {
  const every = Math.max(1, Math.ceil((high - low) / 7));
  const ticks = [];
  for (let at = Math.ceil(low / every) * every; at <= high; at += every) {
    ticks.push({ value: 10 ** at, label: at === 0 ? "1" : `10${superscript(at)}` });
  }
  // Less than two powers of ten in it.
  if (ticks.length < 2) return steps(10 ** low, 10 ** high);
  return ticks;
}

function steps(low: number, high: number): { value: number; label: string }[] {
  const rough = (high - low) / 5;
  const size = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((k) => k * size).find((s) => s >= rough) ?? rough;
  const ticks = [];
  for (let i = Math.ceil(low / step); i * step <= high && ticks.length < 12; i += 1) {
    ticks.push({ value: i * step, label: number(i * step, 4) });
  }
  return ticks;
}

export const FONT = "12px system-ui, 'DejaVu Sans', sans-serif";

// The name of the axis at the left of a picture, around this height.
export function nameUpright(draw: CanvasRenderingContext2D, words: string, middle: number): void {
  draw.save();
  draw.translate(13, middle);
  draw.rotate(-Math.PI / 2);
  draw.textAlign = "center";
  draw.fillText(words, 0, 0);
  draw.restore();
}
