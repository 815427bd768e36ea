// The page in front of a simulation.
import { Controls } from "./controls";
import { announce, element, number, place } from "./dom";
import { Figures } from "./figures";
import { decoded, encoded, showFiles } from "./files";
import { History } from "./history";
import type { Change, Files, Message, Motion, Settings, Start } from "./protocol";
import { showScenes } from "./scenes";
import { Server } from "./server";

const SHORT: Record<string, string> = {
  "gradient-flow": "GF",
  "stochastic-gradient-flow": "SGF",
  "gradient-descent": "GD",
  "label-noise-gradient-descent": "label-noise GD",
  sgd: "SGD",
};

function called(motion: Motion): string {
  const scaled = motion.forces.repulsion !== 1 || motion.forces.common_growth !== 1 ? ", forces scaled" : "";
  return `${SHORT[motion.kind] ?? motion.kind}${scaled}, δ = ${number(motion.label_noise, 3)}`;
}

export class LivePage {
  private readonly history = new History();
  private readonly figures: Figures;
  private readonly controls: Controls;
  private readonly server: Server;
  private readonly pauseButton: HTMLButtonElement;
  private readonly speed: HTMLInputElement;
  private readonly speedWords: HTMLElement;
  private readonly fastest: HTMLInputElement;
  private session = "";
  private stop = new AbortController();
  private paused = false;

  constructor(start: Start) {
    this.server = new Server(start.token);
    const settings = decoded(window.location.hash) ?? start.settings;
    if (!settings) throw new Error("the server says nothing to simulate");
    const bar = place("bar");
    this.figures = new Figures(this.history, bar);
    this.pauseButton = this.button("pause", "Pause", () => this.pause(!this.paused));
    this.pauseButton.classList.add("first");
    const step = this.button("step", "One frame on", () => {
      if (!this.paused) this.pause(true);
      this.tell({ frames: 1 });
    });
    const restart = this.button("restart", "Restart", () => this.run(this.controls.settings));
    this.speed = element("input", { type: "range", id: "speed", min: -2, max: 4, step: 0.05, "data-testid": "speed" });
    this.speedWords = element("output", { for: "speed", class: "note" });
    this.fastest = element("input", { type: "checkbox", id: "fastest", "data-testid": "fastest" });
    this.speed.addEventListener("input", () => this.setSpeed(10 ** Number(this.speed.value)));
    this.fastest.addEventListener("change", () => this.setSpeed(this.fastest.checked ? null : 10 ** Number(this.speed.value)));
    bar.append(
      element(
        "div",
        { class: "buttons" },
        this.pauseButton,
        step,
        restart,
        element("label", { for: "speed" }, "Speed"),
        this.speed,
        this.speedWords,
        element("label", { for: "fastest" }, this.fastest, " as fast as it goes"),
      ),
    );
    this.controls = new Controls(settings, {
      motion: (run, motion) => this.tell(run === 0 ? { first: motion } : { second: motion }),
      restart: (wanted) => this.run(wanted),
      split: (split) => {
        this.figures.particles.split = split;
        this.figures.refresh();
      },
      shown: (shown) => this.tell({ shown }),
    });
    showScenes({
      settings: () => this.controls.settings,
      restart: (wanted) => this.run(wanted),
      motion: (first) => {
        this.controls.settings.first = first;
        this.tell({ first });
      },
      split: (split) => (this.controls.split = split),
    });
    showFiles({
      settings: () => this.controls.settings,
      files: (wanted) => this.server.ask<Files>("/files", wanted),
      figures: this.figures,
      history: this.history,
    });
    this.paused = settings.paused;
    this.pauseButton.textContent = this.paused ? "Go on" : "Pause";
    this.run(settings);
  }

  private button(id: string, words: string, act: () => void): HTMLButtonElement {
    const made = element("button", { type: "button", "data-testid": id }, words);
    made.addEventListener("click", act);
    return made;
  }

  // Simulates from the start.
  private run(settings: Settings): void {
    this.stop.abort();
    this.stop = new AbortController();
    const { signal } = this.stop;
    this.server
      .simulate({ ...settings, paused: this.paused }, (message) => signal.aborted || this.heard(message), signal)
      .then(() => announce("The simulation ended. Restart begins a new one."))
      .catch((error: unknown) => {
        if (!signal.aborted) announce(error instanceof Error ? error.message : String(error));
      });
  }

  private heard(message: Message): void {
    const { beginning, frame, mark, refusal } = message;
    if (beginning) {
      this.session = beginning.session;
      this.history.clear();
      this.figures.particles.clear();
      this.controls.accept(beginning.settings, beginning.choices);
      this.showSpeed(beginning.settings.speed);
      this.name();
      const [columns, p, k] = beginning.sizes;
      place("subject").textContent =
        `${beginning.name}: ${beginning.data}, p = ${p}, k = ${k}, l = ${beginning.settings.width} (${columns} columns), ${beginning.settings.trajectories} trajectories`;
    }
    if (mark) {
      this.history.marks.push(mark);
      this.controls.moved(mark.run, mark.motion);
      this.name();
      announce(`At t = ${number(mark.time, 4)}: ${mark.words}`);
      this.figures.relabel();
    }
    if (refusal) announce(refusal.hint ? `${refusal.message}: ${refusal.hint}` : refusal.message);
    if (frame) {
      const first = this.history.last === null;
      this.history.add(frame);
      if (first) this.figures.relabel();
      else this.figures.refresh();
    }
  }

  private name(): void {
    const { first, second } = this.controls.settings;
    this.figures.labels = [called(first), second ? called(second) : ""];
  }

  private tell(change: Partial<Change>): void {
    const nothing: Change = {
      session: this.session,
      first: null,
      second: null,
      paused: null,
      speed: null,
      frames: null,
      shown: null,
    };
    this.server.change({ ...nothing, ...change }).catch((error: unknown) => {
      announce(error instanceof Error ? error.message : String(error));
    });
  }

  private pause(paused: boolean): void {
    this.paused = paused;
    this.pauseButton.textContent = paused ? "Go on" : "Pause";
    this.tell({ paused });
    announce(paused ? "Paused" : "Going on");
  }

  private setSpeed(speed: number | null): void {
    this.controls.settings.speed = speed;
    this.showSpeed(speed);
    this.tell({ speed: speed ?? 0 });
  }

  private showSpeed(speed: number | null): void {
    this.fastest.checked = speed === null;
    this.speed.disabled = speed === null;
    if (speed !== null && document.activeElement !== this.speed) this.speed.value = String(Math.log10(speed));
    const words = speed === null ? "as fast as it goes" : `${number(speed, 2)} t a second`;
    this.speedWords.textContent = words;
    this.speed.setAttribute("aria-valuetext", words);
  }
}

export { encoded };
