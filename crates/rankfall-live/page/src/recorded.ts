// The page in front of recorded runs, without a server.
import { element, number, place } from "./dom";
import { Figures } from "./figures";
import { showFiles } from "./files";
import { History } from "./history";
import { called } from "./names";
import type { Recording, PageState } from "./protocol";
import { SCENES } from "./scenes";

// A recording takes so many seconds.
const LENGTH = 20;

export class RecordedPage {
  private readonly history = new History();
  private readonly figures: Figures;
  private readonly recordings: Recording[];
  private recording: Recording;
  private readonly scrub: HTMLInputElement;
  private readonly play: HTMLButtonElement;
  private at = 0;
  private playing = true;
  private last = performance.now();

  constructor(start: PageState) {
    const [first] = start.recordings;
    if (!first) throw new Error("there is nothing recorded in this page");
    this.recordings = start.recordings;
    this.recording = first;
    place("layout").classList.add("alone");
    place("mode").textContent = "recorded";
    place("controls").remove();
    place("to-controls").remove();
    // What is told comes before what is shown.
    place("figures").before(place("scenes"));
    const bar = place("bar");
    this.figures = new Figures(this.history, bar);
    this.play = element("button", { type: "button", class: "first", "data-testid": "pause" }, "Pause");
    this.play.addEventListener("click", () => this.setPlaying(!this.playing));
    const restart = element("button", { type: "button", "data-testid": "restart" }, "From the start");
    restart.addEventListener("click", () => {
      this.go(0);
      this.setPlaying(true);
    });
    const choice = element(
      "select",
      { "aria-label": "Recording", "data-testid": "recording" },
      ...this.recordings.map((one, i) => element("option", { value: i }, one.title)),
    );
    choice.addEventListener("change", () => this.choose(Number(choice.value)));
    this.scrub = element("input", { type: "range", min: 0, max: 1, step: 1, "aria-label": "Place in the recording", "data-testid": "scrub" });
    this.scrub.addEventListener("input", () => {
      this.setPlaying(false);
      this.go(Number(this.scrub.value));
    });
    bar.append(element("div", { class: "buttons" }, choice, this.play, restart, this.figures.charts.time, this.scrub));
    showFiles({ settings: () => this.recording.beginning.settings, files: null, folder: null, figures: this.figures, history: this.history });
    this.choose(0);
    window.setInterval(() => this.tick(), 40);
  }

  private choose(index: number): void {
    this.recording = this.recordings[index] ?? this.recording;
    const { beginning, frames } = this.recording;
    this.scrub.max = String(frames.length - 1);
    const { first, second } = beginning.settings;
    this.figures.labels = [called(first), second ? called(second) : ""];
    place("subject").textContent = `${beginning.name}: ${beginning.data}, ${beginning.settings.trajectories} trajectories; recorded, not computed here`;
    this.tell();
    this.go(0);
    this.setPlaying(true);
  }

  // The sentences of the scene.
  private tell(): void {
    const { title } = this.recording;
    const scene = SCENES.find((one) => one.title === title);
    place("scenes").replaceChildren(element("h2", {}, title), element("p", { "data-testid": "scene" }, scene?.words ?? ""));
  }

  private setPlaying(playing: boolean): void {
    this.playing = playing;
    this.last = performance.now();
    this.play.textContent = playing ? "Pause" : "Go on";
  }

  private tick(): void {
    if (!this.playing) return;
    const count = this.recording.frames.length;
    const now = performance.now();
    const next = this.at + ((now - this.last) / 1000) * (count / LENGTH);
    if (Math.floor(next) === Math.floor(this.at)) return;
    this.last = now;
    if (next >= count - 1) this.setPlaying(false);
    this.go(Math.min(next, count - 1));
  }

  // Everything up to this frame.
  private go(place: number): void {
    const from = Math.floor(this.at);
    const to = Math.floor(place);
    this.at = place;
    if (to < from || this.history.last === null || to === 0) {
      this.history.clear();
      this.figures.particles.clear();
      for (const frame of this.recording.frames.slice(0, to + 1)) this.history.add(frame);
    } else {
      for (const frame of this.recording.frames.slice(from + 1, to + 1)) this.history.add(frame);
    }
    const now = this.history.last?.time ?? 0;
    this.history.marks = this.recording.marks.filter((mark) => mark.time <= now);
    this.scrub.value = String(to);
    this.scrub.setAttribute("aria-valuetext", `t = ${number(now, 3)}`);
    this.figures.relabel();
  }
}
