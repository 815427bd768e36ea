// Lines over time as a logarithmic axis shows them.
import type { Column } from "./history";

export interface Timed {
  times: number[];
  of(key: string): Column;
}

// From one point to the next, at most, where lines are drawn on a logarithmic axis.
const RATIO = 1.05;

// Lines for a logarithmic axis: what is straight over t between two measurements, as a law is, is curved there, so
// that points are put between them. What was measured at t = 0 has no place.
export function onLogarithmicTime(table: { times: number[]; columns: Map<string, Column> }): Timed {
  const { times } = table;
  // Each point as a place between two measurements: the earlier one, and the share of the way to the later one.
  const places: [number, number][] = [];
  times.forEach((time, i) => {
    if (time <= 0) return;
    const before = times[i - 1] ?? 0;
    if (before > 0) {
      const parts = Math.ceil(Math.log(time / before) / Math.log(RATIO));
      for (let part = 1; part < parts; part += 1) {
        places.push([i - 1, (before * (time / before) ** (part / parts) - before) / (time - before)]);
      }
    }
    places.push([i, 0]);
  });
  const between = (values: Column, [i, share]: [number, number]): number | null => {
    const from = values[i] ?? null;
    if (share === 0 || from === null) return from;
    const to = values[i + 1] ?? null;
    return to === null ? null : from + share * (to - from);
  };
  return {
    times: places.map((at) => between(times, at) ?? 0),
    of: (key) => {
      const values = table.columns.get(key) ?? [];
      return places.map((at) => between(values, at));
    },
  };
}
