// Joins the parts: an address says what is shown, every search goes through it.

import { currentPlace, forgetPlace, placeOfId, placeOfPhoto, placeOfText } from "./address.js";
import { searchById, searchByPhoto, searchByText } from "./api.js";
import { watchCollection } from "./collection.js";
import { byId, element } from "./dom.js";
import { acceptPhotos, acceptWords } from "./intake.js";
import { clearNotices, showError, showGaps, showRefusal } from "./notices.js";
import { areOptionsValid, chosenOptions, ofThoseThatRead, watchOptions } from "./options.js";
import { thumbnail } from "./pictures.js";
import { clearResults, showResults } from "./results.js";

const photos = []; // this visit's own, by the number in the address
const TITLES = { id: (id) => `Photos like ${id}`, photo: () => "Photos like yours", text: (text) => `Photos of “${text}”` };
let running = new AbortController();
let relevance = "likely"; // "all" once the rest was asked for
let previewAddress = null;

function goTo(place) {
  if (location.hash === place) show();
  else location.hash = place;
}

const searchFrom = (id) => goTo(placeOfId(id));
const searchFor = (text) => goTo(placeOfText(text));
const searchWith = (file) => goTo(placeOfPhoto(photos.push(file) - 1));

/** Show what the address says. */
async function show() {
  running.abort();
  running = new AbortController();
  relevance = "likely";
  const place = currentPlace();
  if (place.kind === "photo" && !photos[place.number]) forgetPlace(); // its file is gone since the page was loaded anew
  if (place.kind === "home" || (place.kind === "photo" && !photos[place.number])) return showHome();
  showQuery(place);
  byId("answer-title").focus({ preventScroll: true });
  window.scrollTo({ top: 0 });
  await search(place, running.signal);
}

/** The same query with other options: nothing moves but the results. */
async function searchAgain() {
  if (document.body.dataset.view === "home") return;
  running.abort();
  running = new AbortController();
  await search(currentPlace(), running.signal);
}

function showRest() {
  relevance = "all";
  byId("answer-title").focus({ preventScroll: true }); // the button that had it goes
  searchAgain();
}

async function search(place, signal) {
  if (!areOptionsValid()) return;
  document.body.dataset.busy = "";
  byId("answer-summary").textContent = "Searching…";
  try {
    const asked = { ...chosenOptions(), relevance };
    const answer = await ask(place, asked, signal);
    clearNotices();
    showGaps(answer);
    const query = { id: place.id ?? null, byWords: place.kind === "text", relevance: asked.relevance };
    showResults(answer, query, { searchFrom, showRest, failed: showError });
  } catch (error) {
    if (signal.aborted) return;
    clearNotices();
    clearResults();
    showError(error, searchAgain);
  } finally {
    if (!signal.aborted) delete document.body.dataset.busy;
  }
}

function ask(place, options, signal) {
  if (place.kind === "text") return searchByText(place.text, ofThoseThatRead(options), signal);
  return place.kind === "id" ? searchById(place.id, options, signal) : searchByPhoto(photos[place.number], options, signal);
}

function showHome() {
  document.body.dataset.view = "home";
  delete document.body.dataset.busy;
  document.title = "Lookalike";
  byId("answer-title").textContent = "";
  showPreview(null);
  byId("words").value = "";
  clearNotices();
  clearResults();
}

function showQuery(place) {
  const wasHome = document.body.dataset.view === "home";
  document.body.dataset.view = "results";
  const name = nameOf(place);
  byId("answer-title").textContent = TITLES[place.kind](name);
  document.title = `${name} - Lookalike`;
  byId("words").value = place.kind === "text" ? place.text : "";
  showPreview(place.kind === "text" ? null : place, name);
  if (wasHome && matchMedia("(min-width: 60rem)").matches) byId("options").open = true;
}

function nameOf(place) {
  if (place.kind === "photo") return photos[place.number].name || "your photo";
  return place.kind === "id" ? place.id : place.text;
}

function showPreview(place, name) {
  if (previewAddress) URL.revokeObjectURL(previewAddress);
  previewAddress = place?.kind === "photo" ? URL.createObjectURL(photos[place.number]) : null;
  const alt = place ? `The photo you search with: ${name}` : "";
  const image = place?.kind === "id" ? thumbnail(place.id, alt) : element("img", { alt, ...(previewAddress && { src: previewAddress }) });
  image.id = "preview";
  image.hidden = !place;
  image.addEventListener("error", () => image.classList.add("missing")); // a format that only the service can read
  byId("preview").replaceWith(image);
  byId("query-name").textContent = place ? name : "";
  byId("query-name").hidden = !place;
  byId("picker-text").textContent = place ? "Choose another photo" : "Choose a photo";
}

acceptPhotos(searchWith, showRefusal);
acceptWords(searchFor);
watchOptions(searchAgain);
window.addEventListener("hashchange", show);
watchCollection(searchFrom);
show();
