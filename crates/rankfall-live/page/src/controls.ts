// The controls: what moves the weights, what is simulated, how fast; impossible settings are greyed with the reason.
import { element, number, place } from "./dom";
import type { Choices, KindChoice, Motion, Settings } from "./protocol";

export interface Wishes {
  // Other dynamics from here on, in the first run or in the second.
  motion(run: 0 | 1, motion: Motion): void;
  // Another simulation, from its start.
  restart(settings: Settings): void;
  shown(trajectory: number): void;
}

// A number with a slider beside it; the slider may be logarithmic.
class Setting {
  readonly row: HTMLElement;
  readonly input: HTMLInputElement;
  readonly slider: HTMLInputElement | null;
  private readonly why: HTMLElement;
  private readonly bound: HTMLElement;
  private readonly words: HTMLElement;
  private least = 0;
  private greatest = 1;

  constructor(
    readonly name: string,
    label: string,
    private readonly kind: "log" | "log0" | "whole",
    private readonly changed: (value: number) => void,
    slider = true,
  ) {
    const id = `setting-${name}`;
    this.input = element("input", { type: "number", id, "data-testid": name, step: kind === "whole" ? 1 : "any" });
    this.why = element("span", { class: "why", id: `${id}-why` });
    this.bound = element("span", { class: "bound", hidden: true });
    this.words = element("span", { class: "bound-words wide", "data-testid": `${name}-bound` });
    this.row = element("div", { class: "row" }, element("label", { for: id }, label), this.input);
    this.slider = null;
    if (slider) {
      this.slider = element("input", { type: "range", min: 0, max: 1000, "aria-label": `${label}, slider`, "data-testid": `${name}-slider` });
      this.row.append(element("div", { class: "slider wide" }, this.slider, this.bound), this.words);
      this.slider.addEventListener("input", () => this.set(this.fromPosition(Number(this.slider?.value)), true));
    }
    this.row.append(this.why);
    this.input.addEventListener("change", () => {
      const value = Number(this.input.value);
      if (this.input.value === "" || !Number.isFinite(value)) return;
      this.set(Math.min(this.greatest, Math.max(this.least, value)), true);
    });
  }

  limits(least: number, greatest: number): void {
    this.least = least;
    this.greatest = greatest;
    this.input.min = String(least);
    this.input.max = String(greatest);
  }

  // Greyed, with the reason; or not.
  allow(why: string | null): void {
    this.input.disabled = why !== null;
    if (this.slider) this.slider.disabled = why !== null;
    this.why.textContent = why ?? "";
    if (why) this.input.setAttribute("aria-describedby", this.why.id);
    else this.input.removeAttribute("aria-describedby");
  }

  stable(step: number | null): void {
    this.words.textContent = step === null ? "" : `stable below about ${number(step, 2)}`;
    this.bound.hidden = step === null;
    if (step !== null) this.bound.style.left = `calc(8px + (100% - 16px) * ${this.toPosition(step) / 1000})`;
  }

  set(value: number, tell: boolean): void {
    const rounded = this.kind === "whole" ? Math.round(value) : Number(value.toPrecision(3));
    const shown = tell && this.kind !== "whole" && String(value).length < 8 ? value : rounded;
    if (document.activeElement !== this.input || tell) this.input.value = String(shown);
    this.input.setAttribute("aria-valuenow", String(shown));
    if (this.slider) {
      if (document.activeElement !== this.slider) this.slider.value = String(this.toPosition(shown));
      this.slider.setAttribute("aria-valuetext", number(shown, 3));
    }
    if (tell) this.changed(shown);
  }

  // Of a slider whose left end is 0 where the scale is "log0": a thousandth of the way up from nothing.
  private toPosition(value: number): number {
    const low = this.kind === "log0" ? 0.01 : Math.max(this.least, 1e-9);
    if (this.kind === "log0" && value <= 0) return 0;
    const share = Math.log(Math.max(value, low) / low) / Math.log(this.greatest / low);
    const start = this.kind === "log0" ? 40 : 0;
    return Math.round(start + Math.min(1, Math.max(0, share)) * (1000 - start));
  }

  private fromPosition(position: number): number {
    const start = this.kind === "log0" ? 40 : 0;
    if (this.kind === "log0" && position < start) return 0;
    const low = this.kind === "log0" ? 0.01 : Math.max(this.least, 1e-9);
    return low * (this.greatest / low) ** ((position - start) / (1000 - start));
  }
}

const SCALES = ["gradient", "own_noise", "common", "repulsion"] as const;

export class Controls {
  settings: Settings;
  private choices: Choices | null = null;
  private readonly all = new Map<string, Setting>();
  private readonly kind: HTMLSelectElement;
  private readonly kindWhy = element("span", { class: "why", id: "kind-why" });
  private readonly repulsion: HTMLButtonElement;
  private readonly forcesWhy = element("p", { class: "note" });
  private readonly splitChoice: HTMLSelectElement;
  private readonly which: HTMLSelectElement;
  private readonly beside: HTMLButtonElement;
  private later = 0;
  private readonly pending = new Set<0 | 1>();

  constructor(
    settings: Settings,
    private readonly wishes: Wishes,
  ) {
    this.settings = structuredClone(settings);
    this.kind = element("select", { id: "kind", "data-testid": "dynamics" });
    this.kind.addEventListener("change", () => this.choose(this.kind.value));
    const motion = (name: keyof Motion, id: string, label: string, kind: "log" | "log0" | "whole") =>
      this.add(id, label, kind, (value) => this.move({ [name]: value }));
    this.which = element(
      "select",
      { id: "which", "data-testid": "which" },
      element("option", { value: "0" }, "first run"),
      element("option", { value: "1" }, "second run"),
    );
    this.which.addEventListener("change", () => this.fill());
    this.beside = element("button", { type: "button", "data-testid": "beside" }, "Add a second run");
    this.beside.addEventListener("click", () => {
      this.settings.second = this.settings.second ? null : structuredClone(this.settings.first);
      this.which.value = this.settings.second ? "1" : "0";
      this.wishes.restart(this.settings);
    });
    this.repulsion = element("button", { type: "button", "data-testid": "repulsion" });
    this.repulsion.addEventListener("click", () => this.toggleRepulsion());
    this.splitChoice = element(
      "select",
      { id: "split", "data-testid": "split" },
      element("option", { value: "regular" }, "regular split"),
      element("option", { value: "antisymmetric" }, "antisymmetric split"),
    );
    this.splitChoice.addEventListener("change", () =>
      this.move({ forces: { ...this.motion.forces, split: this.splitChoice.value } }),
    );
    const force = (name: (typeof SCALES)[number], label: string) =>
      this.add(`force-${name}`, label, "whole", (value) => {
        this.move({ forces: { ...this.motion.forces, [name]: value } });
      }, false);
    const row = (label: string, of: HTMLElement) =>
      element("div", { class: "row" }, element("label", { for: of.id, class: "wide" }, label), element("div", { class: "wide" }, of));
    const group = (title: string, ...rows: HTMLElement[]) => element("fieldset", {}, element("legend", {}, title), ...rows);
    const rows = {
      noise: motion("label_noise", "label-noise", "Label noise δ", "log0"),
      step: motion("step_size", "step-size", "Step size η", "log"),
      batch: motion("batch_size", "batch-size", "Batch size b", "whole"),
    };
    const forces = element(
      "details",
      {},
      element("summary", {}, "Scale every force"),
      force("gradient", "× gradient"),
      force("own_noise", "× own noise"),
      force("common", "× common growth or decay"),
      force("repulsion", "× repulsion"),
    );
    for (const name of SCALES) {
      const of = this.all.get(`force-${name}`);
      if (of) of.input.step = "any";
      of?.limits(-10, 10);
    }
    const fresh = (name: "seed" | "trajectories" | "width" | "inputs" | "outputs" | "teacher_rank", label: string) =>
      this.add(name.replace("_", "-"), label, "whole", (value) => {
        this.settings[name] = value;
        if (name === "inputs" || name === "outputs") this.boundRank();
        this.wishes.restart(this.settings);
      }, false);
    const second = element("div", { class: "row" }, element("label", { for: "which" }, "Controls act on"), this.which, element("div", { class: "wide" }, this.beside));
    const shown = this.add("shown", "Trajectory shown", "whole", (value) => {
      this.settings.shown = value;
      this.wishes.shown(value);
    }, false);
    const kindRow = row("Dynamics", this.kind);
    kindRow.append(this.kindWhy);
    place("controls").append(
      element("h2", {}, "Settings"),
      group("While it runs", kindRow, rows.noise, rows.step, rows.batch),
      group("Forces on the eigenvalues", element("div", { class: "buttons" }, this.repulsion), row("as told by the", this.splitChoice), this.forcesWhy, forces),
      group("Side by side, on the same noise", second),
      group(
        "From the start",
        fresh("width", "Width l"),
        fresh("inputs", "Inputs p"),
        fresh("outputs", "Outputs k"),
        fresh("teacher_rank", "Rank of the teacher"),
        fresh("trajectories", "Trajectories"),
        fresh("seed", "Seed"),
        shown,
      ),
    );
    this.fill();
  }

  // What the session says may be set.
  accept(settings: Settings, choices: Choices): void {
    this.settings = structuredClone(settings);
    this.choices = choices;
    this.kind.replaceChildren(
      ...choices.kinds.map((one) =>
        element("option", { value: one.kind, disabled: one.why_not !== null, title: one.why_not ?? "" }, one.label),
      ),
    );
    const names: Record<string, string> = { step_size: "step-size", label_noise: "label-noise", batch_size: "batch-size", teacher_rank: "teacher-rank" };
    for (const choice of choices.settings) {
      const setting = this.all.get(names[choice.name] ?? choice.name);
      setting?.limits(choice.least, choice.greatest);
      setting?.allow(choice.why_not);
    }
    this.all.get("shown")?.limits(0, Math.max(0, settings.trajectories - 1));
    this.fill();
  }

  // The session moved on to this.
  moved(run: number, motion: Motion): void {
    if (this.pending.has(run as 0 | 1)) return;
    if (run === 0) this.settings.first = structuredClone(motion);
    else this.settings.second = structuredClone(motion);
    this.fill();
  }

  private get run(): 0 | 1 {
    return this.which.value === "1" && this.settings.second ? 1 : 0;
  }

  get motion(): Motion {
    return this.run === 1 && this.settings.second ? this.settings.second : this.settings.first;
  }

  private add(id: string, label: string, kind: "log" | "log0" | "whole", changed: (value: number) => void, slider = true): HTMLElement {
    const setting = new Setting(id, label, kind, changed, slider);
    this.all.set(id, setting);
    return setting.row;
  }

  // Told once in a while, not at every pixel of a slider.
  private move(change: Partial<Motion>): void {
    const run = this.run;
    const motion = { ...this.motion, ...change };
    if (run === 1) this.settings.second = motion;
    else this.settings.first = motion;
    this.pending.add(run);
    this.fill();
    window.clearTimeout(this.later);
    this.later = window.setTimeout(() => {
      for (const one of [...this.pending]) {
        this.pending.delete(one);
        const now = one === 1 ? this.settings.second : this.settings.first;
        if (now) this.wishes.motion(one, now);
      }
    }, 120);
  }

  // The noise of all rows at once averages over n of them: for the same ν the variance is n/b times as large.
  private choose(kind: string): void {
    const old = this.motion;
    const all = this.choices?.settings.find((choice) => choice.name === "batch_size")?.greatest ?? 1;
    const averaged = (of: string) => of === "label-noise-gradient-descent";
    let noise = old.label_noise;
    if (averaged(kind) && !averaged(old.kind)) noise *= all / old.batch_size;
    if (!averaged(kind) && averaged(old.kind)) noise *= old.batch_size / all;
    this.move({ kind, label_noise: Number(noise.toPrecision(6)) });
  }

  private toggleRepulsion(): void {
    const off = this.motion.forces.repulsion === 0;
    this.move({ forces: { ...this.motion.forces, repulsion: off ? 1 : 0 } });
  }

  private boundRank(): void {
    const most = Math.min(this.settings.inputs, this.settings.outputs);
    const rank = this.settings.teacher_rank;
    if (rank !== null && rank > most) this.settings.teacher_rank = most;
  }

  private fill(): void {
    const motion = this.motion;
    const set = (id: string, value: number) => this.all.get(id)?.set(value, false);
    this.kind.value = motion.kind;
    set("label-noise", motion.label_noise);
    set("step-size", motion.step_size);
    set("batch-size", motion.batch_size);
    for (const name of SCALES) {
      const input = this.all.get(`force-${name}`)?.input;
      if (input && document.activeElement !== input) input.value = String(motion.forces[name]);
    }
    set("seed", this.settings.seed);
    set("trajectories", this.settings.trajectories);
    set("width", this.settings.width);
    set("inputs", this.settings.inputs);
    set("outputs", this.settings.outputs);
    set("teacher-rank", this.settings.teacher_rank ?? Math.min(this.settings.inputs, this.settings.outputs));
    set("shown", this.settings.shown);
    this.splitChoice.value = motion.forces.split;
    const off = motion.forces.repulsion === 0;
    this.repulsion.textContent = off ? "Repulsion off" : "Repulsion on";
    this.repulsion.setAttribute("aria-pressed", String(!off));
    this.beside.textContent = this.settings.second ? "Take the second run away" : "Add a second run";
    this.which.disabled = !this.settings.second;
    const kind = this.choices?.kinds.find((one) => one.kind === motion.kind);
    if (kind) this.grey(kind);
  }

  private grey(kind: KindChoice): void {
    const given = (name: string) => this.choices?.settings.find((choice) => choice.name === name)?.why_not ?? null;
    this.all.get("label-noise")?.allow(kind.no_label_noise ?? given("label_noise"));
    this.all.get("batch-size")?.allow(kind.no_batch_size ?? given("batch_size"));
    this.all.get("step-size")?.stable(kind.stable_step);
    this.repulsion.disabled = kind.no_forces !== null;
    this.forcesWhy.textContent = kind.no_forces ?? "";
    for (const name of SCALES) this.all.get(`force-${name}`)?.allow(kind.no_forces);
    const refused = this.choices?.kinds.filter((one) => one.why_not !== null) ?? [];
    this.kindWhy.textContent = refused.map((one) => `${one.label}: ${one.why_not}`).join("; ");
  }
}
