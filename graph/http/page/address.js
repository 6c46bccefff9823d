// What is shown, kept in the address after "#", so that back, forward, reload and a shared link work.

/** {kind: "id", id}, {kind: "text", text}, {kind: "photo", number} (one of this visit's own photos) or {kind: "home"}. */
export function currentPlace() {
  const parameters = new URLSearchParams(location.hash.slice(1));
  if (parameters.get("id")) return { kind: "id", id: parameters.get("id") };
  if (parameters.get("text")) return { kind: "text", text: parameters.get("text") };
  if (parameters.get("photo")) return { kind: "photo", number: Number(parameters.get("photo")) };
  return { kind: "home" };
}

export const placeOfId = (id) => `#${new URLSearchParams({ id })}`;
export const placeOfText = (text) => `#${new URLSearchParams({ text })}`;
export const placeOfPhoto = (number) => `#${new URLSearchParams({ photo: number })}`;

/** Leave an address that leads nowhere, without a step in the history. */
export function forgetPlace() {
  history.replaceState(null, "", location.pathname + location.search);
}
