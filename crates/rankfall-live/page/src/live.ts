// The page in front of a simulation.
import { Controls } from "./controls";
import { announce, complain, element, number, place } from "./dom";
import { Figures } from "./figures";
import { linked, showFiles } from "./files";
import { History } from "./history";
import { called } from "./names";
import type { Files, Message, Messages, Request, Settings, PageState } from "./protocol";
import { showScenes } from "./scenes";
import { inWords, Refused, Server } from "./server";

// From one frame to the next, and from one sign of life to the next while time stands still, in milliseconds.
const FRAME = 33;
const LIFE = 20_000;

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
  private paused = false;
  // What is to be told with the next request.
  private wishes: Partial<Request> = {};
  private asking = false;
  private readonly farewells: Partial<Request>[] = [];
  private timer = 0;
  private asked = 0;
  // Counts simulations, so that answers of an earlier one are not taken for this one's.
  private turn = 0;

  constructor(start: PageState) {
    this.server = new Server(start.token);
    const settings = linked() ?? start.settings;
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
        this.figures.charts.time,
      ),
    );
    this.controls = new Controls(settings, {
      motion: (run, motion) => this.tell(run === 0 ? { first: motion } : { second: motion }),
      restart: (wanted) => this.run(wanted),
      shown: (shown) => this.tell({ shown }),
    });
    showScenes({
      settings: () => this.controls.settings,
      restart: (wanted) => this.run(wanted),
      motion: (first) => {
        this.controls.settings.first = first;
        this.tell({ first });
      },
      goOn: () => this.paused && this.pause(false),
    });
    showFiles({
      settings: () => this.controls.settings,
      files: (wanted) => this.server.ask<Files>("/files", wanted),
      folder: () => this.server.file("/folder", { session: this.session }),
      figures: this.figures,
      history: this.history,
    });
    window.addEventListener("pagehide", () => this.end());
    window.addEventListener("pageshow", (event) => event.persisted && this.run(this.controls.settings));
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
    this.end();
    this.turn += 1;
    const turn = this.turn;
    this.wishes = {};
    this.server
      .ask<Messages>("/begin", { ...settings, paused: this.paused })
      .then((answer) => {
        if (turn !== this.turn) return this.forget(answer);
        answer.messages.forEach((message) => this.heard(message));
        this.next(0);
      })
      .catch(complain);
  }

  // Lets the server know that nobody will ask for a session.
  private end(): void {
    window.clearTimeout(this.timer);
    if (this.session) this.farewells.push(this.request({ ends: true }));
    this.session = "";
    if (!this.asking || document.visibilityState === "hidden") this.farewell();
  }

  // Not before a request that is under way is answered.
  private farewell(): void {
    for (const last of this.farewells.splice(0)) this.server.ask("/go", last, true).catch(() => undefined);
  }

  private forget(answer: Messages): void {
    const session = answer.messages[0]?.beginning?.session;
    if (session) this.server.ask("/go", this.request({ session, ends: true })).catch(() => undefined);
  }

  // What it leaves out is left as it is.
  private request(change: Partial<Request>): Partial<Request> {
    return { session: this.session, ...change };
  }

  private next(wait: number): void {
    window.clearTimeout(this.timer);
    this.timer = window.setTimeout(() => void this.go(), wait);
  }

  // Asks for what happened since the last request, and goes on asking.
  private async go(): Promise<void> {
    if (this.asking || !this.session) return;
    this.asking = true;
    this.asked = performance.now();
    const { turn } = this;
    const told = this.wishes;
    this.wishes = {};
    let wait = this.paused ? LIFE : FRAME;
    try {
      const answer = await this.server.ask<Messages>("/go", this.request(told));
      if (turn === this.turn) answer.messages.forEach((message) => this.heard(message));
    } catch (error) {
      if (turn === this.turn) {
        complain(error);
        if (error instanceof Refused && error.ended) this.session = "";
      }
      wait = 2000;
    }
    this.asking = false;
    this.farewell();
    if (Object.keys(this.wishes).length > 0) wait = 0;
    this.next(Math.max(0, wait - (performance.now() - this.asked)));
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
    if (refusal) announce(inWords(refusal));
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

  private tell(change: Partial<Request>): void {
    const frames = (this.wishes.frames ?? 0) + (change.frames ?? 0);
    this.wishes = { ...this.wishes, ...change, ...(frames > 0 ? { frames } : {}) };
    this.next(0);
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
