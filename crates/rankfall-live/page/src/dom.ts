// Elements by their parts, and numbers as people read them.

type Child = Node | string;
type Attributes = Record<string, string | number | boolean | undefined>;

export function element<K extends keyof HTMLElementTagNameMap>(
  name: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== undefined) made.setAttribute(key, String(value));
  }
  made.append(...children);
  return made;
}

// Other options of a select, if they are other; what was chosen stays where it can.
export function offer(select: HTMLSelectElement, options: (readonly [string, string])[]): void {
  if (options.map(String).join() === [...select.options].map((o) => `${o.value},${o.text}`).join()) return;
  const chosen = select.value;
  select.replaceChildren(...options.map(([value, words]) => element("option", { value }, words)));
  if (options.some(([value]) => value === chosen)) select.value = chosen;
}

// A canvas of this size on the screen, empty.
export function sheet(canvas: HTMLCanvasElement, width: number, height: number): CanvasRenderingContext2D | null {
  const ratio = window.devicePixelRatio || 1;
  const [across, down] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== across || canvas.height !== down) {
    [canvas.width, canvas.height] = [across, down];
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
  const draw = canvas.getContext("2d");
  draw?.setTransform(ratio, 0, 0, ratio, 0, 0);
  draw?.clearRect(0, 0, width, height);
  return draw;
}

export function place(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found;
}

const MINUS = "−";
const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";

export function superscript(value: number): string {
  const digits = [...String(Math.abs(value))].map((digit) => SUPERSCRIPTS[Number(digit)] ?? digit);
  return (value < 0 ? "⁻" : "") + digits.join("");
}

// So many significant digits, with a power of ten where there would be many zeros.
export function number(value: number | null | undefined, digits = 4): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  let size = Math.floor(Math.log10(Math.abs(value)));
  if (size < -3 || size > 5) {
    let mantissa = Number((value / 10 ** size).toPrecision(Math.max(1, digits - 2)));
    if (Math.abs(mantissa) >= 10) [mantissa, size] = [mantissa / 10, size + 1];
    return `${mantissa}·10${superscript(size)}`.replace("-", MINUS);
  }
  return String(Number(value.toPrecision(digits))).replace("-", MINUS);
}

// So many digits after the point, with all of them shown: a number that does not jump about.
export function fixed(value: number | null | undefined, digits: number): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  return value.toFixed(digits).replace("-", MINUS);
}

// exp(log), also where that is no double.
export function fromLog(log: number | null | undefined): string {
  if (log === null || log === undefined) return "–";
  const ten = log / Math.LN10;
  if (ten > -4 && ten < 6) return number(Math.exp(log), 3);
  const size = Math.floor(ten);
  return `${(10 ** (ten - size)).toFixed(1)}·10${superscript(size)}`;
}

let clearing = 0;

// Says something to whoever looks or listens.
export function announce(words: string): void {
  const at = place("announcements");
  at.textContent = words;
  window.clearTimeout(clearing);
  clearing = window.setTimeout(() => (at.textContent = ""), 6000);
}

export function complain(error: unknown): void {
  announce(error instanceof Error ? error.message : String(error));
}

const canvas = document.createElement("canvas").getContext("2d");
const resolved = new Map<string, string>();

// The colour of a variable of the style sheet as it is now.
export function color(variable: string): string {
  const known = resolved.get(variable);
  if (known) return known;
  const value = getComputedStyle(document.documentElement).getPropertyValue(variable).trim();
  resolved.set(variable, value);
  return value;
}

// The same, let through by so much.
export function faint(variable: string, alpha: number): string {
  if (!canvas) return color(variable);
  canvas.fillStyle = color(variable);
  const hex = Math.round(alpha * 255).toString(16).padStart(2, "0");
  return canvas.fillStyle + hex;
}

export const dark = window.matchMedia("(prefers-color-scheme: dark)");
dark.addEventListener("change", () => resolved.clear());
export const still = window.matchMedia("(prefers-reduced-motion: reduce)");

// The colour of part `index` of `count`, spread over the whole ramp.
export function ramp(index: number, count: number): string {
  return `--r${count < 2 ? 0 : Math.round((index * 11) / (count - 1))}`;
}

export function download(name: string, content: Blob): void {
  const link = element("a", { href: URL.createObjectURL(content), download: name });
  link.click();
  window.setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
