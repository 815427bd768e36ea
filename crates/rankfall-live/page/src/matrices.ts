// One trajectory as matrices: small heat maps, and how far the singular vectors line up with the teacher's.
import { dark, element, number } from "./dom";
import type { WeightMatrices } from "./protocol";

// Blue below zero, white at zero, red above; the same on every page, dark or light.
function diverging(share: number): [number, number, number] {
  const t = Math.max(-1, Math.min(1, share));
  const far: [number, number, number] = t < 0 ? [11, 79, 138] : [178, 52, 8];
  const near = 247;
  const s = Math.abs(t) ** 0.8;
  return [near + (far[0] - near) * s, near + (far[1] - near) * s, near + (far[2] - near) * s];
}

function sequential(share: number): [number, number, number] {
  const t = Math.max(0, Math.min(1, share));
  return [247 + (68 - 247) * t, 247 + (1 - 247) * t, 250 + (84 - 250) * t];
}

class Heat {
  readonly box: HTMLElement;
  readonly canvas = element("canvas", { width: 1, height: 1, "aria-hidden": "true" });
  private readonly title: HTMLElement;

  constructor(private readonly words: string) {
    this.title = element("p", {}, words);
    this.box = element("div", {}, this.title, this.canvas);
  }

  draw(rows: number[][], most: number, paint: (share: number) => [number, number, number]): void {
    const height = rows.length;
    const width = rows[0]?.length ?? 0;
    if (width === 0 || height === 0) return;
    this.canvas.width = width;
    this.canvas.height = height;
    const cell = Math.max(7, Math.min(22, 200 / Math.max(width, height)));
    this.canvas.style.width = `${cell * width}px`;
    this.canvas.style.height = `${cell * height}px`;
    const draw = this.canvas.getContext("2d");
    if (!draw) return;
    const image = draw.createImageData(width, height);
    rows.forEach((row, i) =>
      row.forEach((value, j) => {
        const [r, g, b] = paint(most > 0 ? value / most : 0);
        image.data.set([r, g, b, 255], (i * width + j) * 4);
      }),
    );
    draw.putImageData(image, 0, 0);
    this.title.textContent = `${this.words}${paint === diverging ? ` ±${number(most, 2)}` : ""}`;
  }
}

export class MatrixView {
  readonly figure: HTMLElement;
  private readonly host: HTMLElement;
  private readonly all = {
    w1: new Heat("W₁"),
    w2: new Heat("W₂"),
    product: new Heat("W₁W₂"),
    optimum: new Heat("optimum"),
    alignment: new Heat("alignment, 0 to 1"),
  };
  private last: WeightMatrices | null = null;

  constructor() {
    const boxes = Object.values(this.all).map((heat) => heat.box);
    this.host = element("div", { class: "heat", role: "img", "aria-label": "Matrices of one trajectory" }, ...boxes);
    const note = element("span", { class: "note" }, "alignment: |cos| of left singular vectors of W₁ (rows) and of the optimum");
    this.figure = element(
      "figure",
      { class: "card", "data-testid": "figure-matrices" },
      element("figcaption", {}, element("h2", {}, "One trajectory as matrices"), note),
      this.host,
    );
    dark.addEventListener("change", () => this.last && this.draw(this.last));
  }

  draw(weights: WeightMatrices): void {
    this.last = weights;
    const most = (...tables: number[][][]) => Math.max(0, ...tables.flat(2).map(Math.abs));
    this.all.w1.draw(weights.w1, most(weights.w1), diverging);
    this.all.w2.draw(weights.w2, most(weights.w2), diverging);
    const both = most(weights.product, weights.optimum);
    this.all.product.draw(weights.product, both, diverging);
    this.all.optimum.draw(weights.optimum, both, diverging);
    this.all.alignment.draw(weights.alignment, 1, sequential);
  }

  describe(): void {
    const of = this.last;
    if (!of) return;
    const leading = of.alignment[0]?.[0];
    const size = (rows: number[][]) => `${rows.length} by ${rows[0]?.length ?? 0}`;
    this.host.setAttribute(
      "aria-label",
      `Matrices of one trajectory: W1 ${size(of.w1)}, W2 ${size(of.w2)}, their product and the optimum ${size(of.product)}. ` +
        `The leading left singular vectors of W1 and of the optimum have a cosine of ${number(leading, 3)}.`,
    );
  }
}
