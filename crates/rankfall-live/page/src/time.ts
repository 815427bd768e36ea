// The axis of time, linear or logarithmic: one choice for all figures over time, kept in the address.
import { keep, kept } from "./address";
import { announce, element } from "./dom";

export type TimeAxis = "linear" | "logarithmic";

const KEY = "time";

export function timeChoice(changed: (axis: TimeAxis) => void): HTMLElement {
  const choice = element(
    "select",
    { "aria-label": "Axis of time", "data-testid": "time-axis" },
    element("option", { value: "linear" }, "linear time"),
    element("option", { value: "logarithmic" }, "logarithmic time"),
  );
  choice.value = timeAxis();
  choice.addEventListener("change", () => {
    keep(KEY, choice.value === "logarithmic" ? "log" : null);
    changed(timeAxis());
    announce(`Time is on a ${choice.value} axis`);
  });
  return choice;
}

// As the address has it.
export function timeAxis(): TimeAxis {
  return kept(KEY) === "log" ? "logarithmic" : "linear";
}
