// The ways in: a photo picked, dropped anywhere on the page or pasted, and words.

import { byId } from "./dom.js";

const carriesFile = (transfer) => transfer.types.includes("Files");

function firstPicture(files) {
  const list = [...files];
  return list.find((file) => file.type.startsWith("image/")) ?? list[0] ?? null;
}

/** `take` is given each photo; `refuse` a sentence and a remedy where something else came. */
export function acceptPhotos(take, refuse) {
  acceptPicked(take);
  acceptPasted(take, refuse);
  acceptDropped(take, refuse);
}

/** `take` is given what was written. */
export function acceptWords(take) {
  byId("words-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const text = byId("words").value.trim();
    if (text) take(text);
  });
}

function acceptPicked(take) {
  const input = byId("photo");
  input.addEventListener("change", () => {
    const file = firstPicture(input.files);
    input.value = ""; // so that picking the same file again counts as a change
    if (file) take(file);
  });
}

function acceptPasted(take, refuse) {
  document.addEventListener("paste", (event) => {
    if (event.target.matches?.("input:not([type=file])")) return;
    const file = firstPicture(event.clipboardData?.files ?? []);
    if (file) take(file);
    else refuse("There is no picture to paste.", "Copy a picture itself, not its address, and paste again.");
  });
}

function acceptDropped(take, refuse) {
  const cover = byId("drop-cover");
  let depth = 0; // dragenter and dragleave also fire for every element inside
  const show = (change) => {
    depth = Math.max(0, depth + change);
    cover.hidden = depth === 0;
  };
  document.addEventListener("dragenter", (event) => carriesFile(event.dataTransfer) && show(1));
  document.addEventListener("dragleave", (event) => carriesFile(event.dataTransfer) && show(-1));
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    show(-depth);
    const file = firstPicture(event.dataTransfer.files);
    if (file) take(file);
    else refuse("What was dropped is not a file.", "Save the picture first and drop the file, or copy the picture and paste it.");
  });
}
