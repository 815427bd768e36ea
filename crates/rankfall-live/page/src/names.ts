// What figures call a run.
import { number } from "./dom";
import type { Motion } from "./protocol";

const SHORT: Record<string, string> = {
  "gradient-flow": "GF",
  "stochastic-gradient-flow": "SGF",
  "gradient-descent": "GD",
  "label-noise-gradient-descent": "label-noise GD",
  sgd: "SGD",
};

export function called(motion: Motion): string {
  const scaled = motion.forces.repulsion === 0 ? " without repulsion" : "";
  return `${SHORT[motion.kind] ?? motion.kind}${scaled}, δ = ${number(motion.label_noise, 3)}`;
}
