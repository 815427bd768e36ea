// What was measured so far, column by column, with bounded memory: when there is much of it every second frame
// of the older part is let go.
import type { Band, Frame, Mark } from "./protocol";

export type Column = (number | null)[];

export const MATRICES = ["theta", "w1", "w2", "product"] as const;
export type Matrix = (typeof MATRICES)[number];

const MOST = 1500;
// Of the older part frames stay that are so much later than the one before: on a logarithmic axis it is the larger.
const RATIO = 1.03;
const TEN = Math.LN10;

export class History {
  times: number[] = [];
  columns = new Map<string, Column>();
  marks: Mark[] = [];
  last: Frame | null = null;

  clear(): void {
    this.times = [];
    this.columns.clear();
    this.marks = [];
    this.last = null;
  }

  column(name: string): Column {
    let column = this.columns.get(name);
    if (!column) {
      column = new Array<number | null>(this.times.length).fill(null);
      this.columns.set(name, column);
    }
    return column;
  }

  add(frame: Frame): void {
    this.last = frame;
    if (this.times.at(-1) === frame.time) this.drop();
    for (const column of this.columns.values()) column.push(null);
    this.times.push(frame.time);
    frame.runs.forEach((run, index) => {
      const name = `${index}.`;
      this.band(`${name}log_det`, run.log_det, 1);
      this.put(`${name}law`, run.law);
      this.put(`${name}slow_log_det`, run.slow?.log_det ?? null);
      this.logs(`${name}loss`, run.loss);
      this.logs(`${name}excess_loss`, run.excess_loss);
      if (run.population_loss) this.logs(`${name}population_loss`, run.population_loss);
      run.matrices.forEach((matrix, place) => {
        const which = `${name}${MATRICES[place]}`;
        this.put(`${which}.effective`, matrix.effective_rank);
        this.put(`${which}.numerical`, matrix.numerical_rank);
        matrix.log_sigma.forEach((band, i) => {
          this.band(`${which}.${i}`, band, 1 / TEN);
          const slow = run.slow?.log_sigma[place]?.[i];
          this.put(`${which}.${i}.slow`, slow === null || slow === undefined ? null : slow / TEN);
        });
      });
    });
    if (this.times.length > MOST) this.thin();
  }

  // The same frame again replaces the one before.
  private drop(): void {
    this.times.pop();
    for (const column of this.columns.values()) column.pop();
  }

  private put(name: string, value: number | null): void {
    const column = this.column(name);
    if (column.length < this.times.length) column.push(null);
    column[this.times.length - 1] = value;
  }

  private band(name: string, band: Band, scale: number): void {
    const of = (value: number | null) => (value === null ? null : value * scale);
    this.put(name, of(band.mean));
    this.put(`${name}.low`, of(band.low));
    this.put(`${name}.high`, of(band.high));
  }

  private logs(name: string, band: Band): void {
    const of = (value: number | null) => (value !== null && value > 0 ? Math.log10(value) : null);
    this.put(name, of(band.mean));
    this.put(`${name}.low`, of(band.low));
    this.put(`${name}.high`, of(band.high));
  }

  private thin(): void {
    const end = this.times.length;
    let last = 0;
    const stays = this.times.map((time, place) => {
      const stay = place === 0 || place >= end - 200 || place % 2 === 1 || time > last * RATIO;
      if (stay) last = time;
      return stay;
    });
    const keep = (_: unknown, place: number) => stays[place] === true;
    this.times = this.times.filter(keep);
    for (const [name, column] of this.columns) this.columns.set(name, column.filter(keep));
  }
}
