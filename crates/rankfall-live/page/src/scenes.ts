// Five scenes for a lecture: a few sentences and one action each.
import { element, place } from "./dom";
import type { Motion, Settings } from "./protocol";

interface Scene {
  title: string;
  words: string;
  action: string;
  // What is simulated from the start; first and second run are made from the usual dynamics.
  settings?: (settings: Settings) => Settings;
  // What happens to the first run as it goes.
  motion?: (motion: Motion) => Motion;
}

const PLAIN = { split: "regular", gradient: 1, own_noise: 1, common: 1, repulsion: 1 };

function flow(motion: Motion, noise: number): Motion {
  return { ...motion, kind: "stochastic-gradient-flow", label_noise: noise, forces: PLAIN };
}

export const SCENES: Scene[] = [
  {
    title: "1. What gradient flow conserves",
    words:
      "Without noise the determinant of M stays where it is, for ever: log det M is level, and no singular value is lost. The loss falls all the same.",
    action: "Start gradient flow",
    settings: (s) => ({ ...s, first: { ...s.first, kind: "gradient-flow", forces: PLAIN }, second: null, speed: 2 }),
  },
  {
    title: "2. What noise does",
    words:
      "Now labels are noisy. Gradients vanish only on average, and the small singular values begin to fall: slowly at first, then along straight lines of a logarithmic axis.",
    action: "Turn the noise on",
    motion: (motion) => flow(motion, 2),
  },
  {
    title: "3. The law",
    words:
      "log det M falls by 2νk tr(S) per unit of time, on every path alike, with ν = ηδ/b. Double the noise and the line is twice as steep; the band of trajectories has no width.",
    action: "Double the noise",
    motion: (motion) => flow(motion, 2 * (motion.label_noise || 2)),
  },
  {
    title: "4. Repulsion off",
    words:
      "Eigenvalues repel each other: large ones push small ones down. Beside the flow, on the same noise, runs one without the antisymmetric repulsion. The determinant falls as fast, but into one direction alone, and the rank stays.",
    action: "Run both side by side",
    settings: (s) => {
      const usual = flow(s.first, s.first.label_noise || 2);
      const first = { ...usual, forces: { ...PLAIN, split: "antisymmetric" } };
      const second = { ...usual, forces: { ...PLAIN, split: "antisymmetric", repulsion: 0 } };
      return { ...s, first, second, speed: 10 };
    },
  },
  {
    title: "5. Who survives",
    words:
      "As many singular values survive as the teacher has of them. They line up with the teacher, and the others die one after the other, in an order that the slow flow knows. Go on as fast as it goes and watch the rank.",
    action: "Go on to the end",
    settings: (s) => ({ ...s, first: flow(s.first, s.first.label_noise || 2), second: null, speed: null }),
  },
];

export interface Stage {
  settings(): Settings;
  restart(settings: Settings): void;
  motion(motion: Motion): void;
  // Lets time go on where it stands still.
  goOn(): void;
}

export function showScenes(stage: Stage): void {
  const act = (scene: Scene) => {
    const now = stage.settings();
    stage.goOn();
    if (scene.settings) stage.restart(scene.settings(now));
    if (scene.motion) stage.motion(scene.motion(now.first));
  };
  const items = SCENES.map((scene, index) => {
    const button = element("button", { type: "button", "data-testid": `scene-${index + 1}` }, scene.action);
    button.addEventListener("click", () => act(scene));
    return element("li", { class: "card" }, element("h3", {}, scene.title), element("p", {}, scene.words), button);
  });
  place("scenes").append(element("h2", {}, "Five scenes"), element("ol", {}, ...items));
}
