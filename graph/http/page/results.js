// The answer to a search: a grid of thumbnails, each with its id, its score and what every feature says of it.

import { byId, counted, drawn, element, grouped, idText } from "./dom.js";
import { closeness, foundWords, measure, score } from "./evidence.js";
import { badge, groups, inWords, isStrong, isUnsure } from "./judgement.js";
import { originalLink, thumbnail } from "./pictures.js";
import { isWhole, placement } from "./placement.js";

const MOST_TAGS = 5;
const MOST_WORDS = 8;
const PERHAPS = "Perhaps the same picture is here. ";
const VERDICTS = { similar: "Nothing here is the same picture. ", none: "No match. " };

/** `query`: {id: the stored photo that was asked about, or null, byWords, relevance}. `actions`: {searchFrom(id), showRest(), failed(error)}. */
export function showResults(answer, query, actions) {
  const asked = Object.keys(answer.features ?? {}).filter((name) => answer.features[name].status === "ok");
  const cardOf = (result) => card(result, { asked, isQuery: result.id === query.id, ...actions });
  byId("results").replaceChildren(...groups(answer.results).map(({ title, results }) => group(title, results.map(cardOf))),
    query.relevance === "all" ? "" : rest(answer, actions.showRest));
  byId("answer-summary").textContent = summary(answer, query.byWords);
}

function group(title, cards) {
  return element("section", { className: "group" }, title ? element("h3", { textContent: title }) : null, element("ol", { className: "grid" }, ...cards));
}

/** The button for what is not likely to be meant. */
function rest({ results }, showRest) {
  const button = element("button", { type: "button", className: "rest", textContent: results.length ? "Show the rest" : "Show the nearest all the same" });
  button.addEventListener("click", showRest);
  return button;
}

export function clearResults() {
  byId("results").replaceChildren();
  byId("answer-summary").textContent = "";
}

/** `byWords`: no photo was searched with, so none can be the same one. */
function summary({ results, features, verdict, partial, missing_shards: missing, took_ms: took }, byWords) {
  const silent = Object.values(features ?? {}).some(({ status }) => status !== "ok" && status !== "not_needed");
  const found = `${counted(results.length, "photo")} in ${grouped(Math.max(1, Math.round(took)))} ms`;
  const said = verdict !== "match" && results.some(isUnsure) ? PERHAPS : VERDICTS[verdict] ?? "";
  if (results.length) return `${byWords ? "" : said}${found}`;
  if (partial || missing?.length) return "The parts that answered found nothing. The others were not searched.";
  return silent ? "The features that answered found nothing." : "No match. No photo in the collection stands out.";
}

function card(result, context) {
  const { id, width, height } = result;
  const place = isStrong(result) ? placement(result) : null;
  const [said, mark] = [inWords(result), badge(result)];
  const words = foundWords(result.matches);
  const button = element("button", { type: "button", className: "shot", "aria-label": `Search from ${id}` },
    thumbnail(id, ""), place && !isWhole(place) ? outline(place.outline, width, height) : null,
    words.length ? boxes(words, width, height) : null,
    element("span", { className: "shot-action", textContent: "Search from this", "aria-hidden": "true" }));
  button.addEventListener("click", () => context.searchFrom(id));
  return element("li", { className: context.isQuery ? "card is-query" : "card" },
    button,
    element("div", { className: "caption" },
      idText(id),
      ...annotations(result.annotations),
      said ? element("p", { className: "placement", textContent: said }) : null,
      words.length ? element("p", { className: "placement", textContent: reading(words) }) : null,
      evidence(result.matches, context.asked),
      metadata(result.metadata),
      element("p", { className: "facts" },
        element("span", { textContent: `Score ${score(result.score)}` }), " ",
        width && height ? element("span", { textContent: `${width} × ${height}` }) : null),
      originalLink(id, context.failed)),
    mark ? element("p", { className: isStrong(result) ? "badge strong" : "badge", textContent: mark }) : null);
}

/** Drawn over a thumbnail: an SVG of the photo's own size fits its frame just as the <img> does. What it shows is also in words. */
function outline(points, width, height) {
  const part = `M${points.map((point) => point.map((number) => number.toFixed(2)).join(" ")).join("L")}Z`;
  const margin = Math.ceil(Math.max(width, height) / 256); // a thumbnail's sides are rounded to whole pixels
  const all = `M${-margin} ${-margin}H${width + margin}V${height + margin}H${-margin}Z`;
  return drawn("svg", { class: "outline", viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" },
    drawn("path", { class: "beyond", d: all + part }),
    drawn("path", { class: "edge", d: part }));
}

function boxes(words, width, height) {
  return drawn("svg", { class: "outline", viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" },
    ...words.map(({ box }) => drawn("path", { class: "edge", d: `M${box.map((point) => point.join(" ")).join("L")}Z` })));
}

function reading(words) {
  const different = [...new Set(words.map(({ word }) => word))];
  return `It says ${different.slice(0, MOST_WORDS).map((word) => `“${word}”`).join(", ")}${different.length > MOST_WORDS ? ", …" : ""}`;
}

function evidence(matches, asked) {
  const names = [...new Set([...asked, ...Object.keys(matches)])];
  return element("ul", { className: "evidence", "aria-label": "Distances" }, ...names.map((name) => evidenceLine(name, matches[name])));
}

function evidenceLine(name, match) {
  const amount = match ? measure(name, match) : null;
  const meter = element("span", { className: "meter", "aria-hidden": "true" });
  meter.style.setProperty("--closeness", match ? closeness(name, match) : 0);
  return element("li", {},
    element("span", { className: "feature", textContent: name }), " ",
    meter,
    element("span", { className: amount ? "amount" : "amount none", textContent: amount ?? (match ? "found" : "not near") }));
}

/** What annotators said of the photo, in words. */
function annotations(said) {
  const { caption, tags } = said ?? {};
  const labels = (tags ?? []).slice(0, MOST_TAGS).map(({ label }) => label).join(", ");
  return [
    caption ? element("p", { textContent: caption }) : null,
    labels ? element("p", { className: "tags", textContent: labels }) : null,
  ];
}

function metadata(values) {
  const entries = Object.entries(values ?? {});
  if (!entries.length) return null;
  const rows = entries.flatMap(([name, value]) => [
    element("dt", { textContent: name }),
    element("dd", { textContent: typeof value === "string" ? value : JSON.stringify(value) }),
  ]);
  return element("details", { className: "metadata" }, element("summary", { textContent: "Metadata" }), element("dl", {}, ...rows));
}
