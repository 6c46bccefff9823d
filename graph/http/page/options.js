// How to search: by which features, how many results, in all orientations or not, without what.

import { byId, element, prose } from "./dom.js";

const EXPLAINED = {
  phash: "The same picture: resized, recompressed, mirrored",
  color: "The same colours",
  local: "Crops, collages, overlays",
  global: "The same kind of scene",
  image_text: "The same meaning",
  text: "The same words in the picture",
};
const READS = new Set(["image_text"]); // features that understand a sentence
const EVERY_ORIENTATION = { phash: { orientations: "all" } };

const unwanted = new Set(); // names that the user switched off; kept while the list is drawn anew
let drawn = "";

/** `changed` runs after each change that makes another search. */
export function watchOptions(changed) {
  const form = byId("options-form");
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("change", ({ target }) => {
    if (target.name === "feature") remember(target);
    if (form.reportValidity()) changed();
  });
}

function remember(box) {
  if (box.checked) unwanted.delete(box.value);
  else unwanted.add(box.value);
  checkChoice();
}

/** Draw the list of features as the service reports them; nothing happens where it did not change. */
export function showFeatures(features) {
  const searchable = features.filter(({ role }) => role !== "annotator");
  const news = JSON.stringify(searchable.map(({ name, state, reason }) => [name, state, reason]));
  if (news === drawn) return;
  drawn = news;
  byId("features").replaceChildren(...searchable.map(featureLine));
  const reads = searchable.some(({ name, state }) => READS.has(name) && state === "ready");
  byId("words-form").hidden = byId("avoid-line").hidden = !reads;
  checkChoice();
}

function featureLine({ name, state, reason }) {
  const ready = state === "ready";
  const box = element("input", { type: "checkbox", name: "feature", value: name, disabled: !ready, checked: ready && !unwanted.has(name) });
  const why = ready ? EXPLAINED[name] : [state === "loading" ? "Loading" : "Not available", reason].filter(Boolean).join(": ");
  return element("label", { className: "check" }, box,
    element("span", {}, name, why ? element("small", {}, ...prose(why)) : null));
}

const boxes = () => [...byId("features").querySelectorAll("input:not(:disabled)")];

function checkChoice() {
  const chosen = boxes().filter((box) => box.checked);
  boxes()[0]?.setCustomValidity(chosen.length ? "" : "Choose at least one feature.");
  byId("avoid").disabled = !chosen.some((box) => READS.has(box.value));
  byId("orientations").disabled = !chosen.some((box) => box.value === "phash");
}

/** {k, features, params, avoid}; features is null, the service's own choice, unless some were switched off. */
export function chosenOptions() {
  const all = boxes();
  const chosen = all.filter((box) => box.checked).map((box) => box.value);
  const orientations = byId("orientations");
  return {
    k: byId("count").valueAsNumber,
    features: chosen.length === all.length ? null : chosen,
    params: orientations.checked && !orientations.disabled ? EVERY_ORIENTATION : null,
    avoid: byId("avoid").disabled ? null : byId("avoid").value.trim() || null,
  };
}

/** The same options for a search by words alone, which the other features cannot answer. */
export function ofThoseThatRead(options) {
  const reading = options.features?.filter((name) => READS.has(name));
  return { ...options, features: reading?.length ? reading : null, params: null };
}

export const areOptionsValid = () => byId("options-form").checkValidity();
