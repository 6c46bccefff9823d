// The API key: asked for when the service answers 401, kept for this tab only.

import { byId } from "./dom.js";

const STORED = "lookalike-api-key";
let waiting = null; // the promise that every refused request waits on

export const currentKey = () => sessionStorage.getItem(STORED);

/** Resolves once there is a key other than the refused one; `refused` is null where none was sent. */
export function keyOtherThan(refused) {
  if (currentKey() !== refused) return Promise.resolve();
  waiting ??= askForKey(refused !== null).finally(() => {
    waiting = null;
  });
  return waiting;
}

function askForKey(wasRefused) {
  const form = byId("key-form");
  const input = byId("key");
  if (wasRefused) byId("key-message").textContent = "The service did not accept that key. Check it and try again.";
  sessionStorage.removeItem(STORED);
  form.hidden = false;
  document.body.dataset.locked = "";
  input.value = "";
  input.focus();
  return new Promise((resolve) => {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      sessionStorage.setItem(STORED, input.value.trim());
      input.value = "";
      form.hidden = true;
      delete document.body.dataset.locked;
      resolve();
    }, { once: true });
  });
}
