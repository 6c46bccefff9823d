// Builds elements. Strings become text nodes, so that what an id or metadata says is never read as markup.

export const byId = (id) => document.getElementById(id);

export function element(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("aria-") || name === "role") node.setAttribute(name, value);
    else node[name] = value;
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** An element of a drawing: what `element` is for HTML. */
export function drawn(tag, attributes, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** An id as two spans, the folder and the name, so that the name stays readable where space is short. */
export function idText(id) {
  const cut = id.lastIndexOf("/", id.length - 2) + 1;
  return element(
    "bdi",
    { className: "id", title: id },
    cut > 0 ? element("span", { className: "folder", textContent: id.slice(0, cut) }) : null,
    element("span", { className: "name", textContent: id.slice(cut) }),
  );
}

/** A sentence of the service as nodes: what stands between backticks is a command. */
export function prose(text) {
  return String(text).split("`").map((part, index) => (index % 2 ? element("code", { textContent: part }) : part));
}

const numbers = new Intl.NumberFormat("en");
export const grouped = (number) => numbers.format(number);
export const counted = (number, one, many = `${one}s`) => `${grouped(number)} ${number === 1 ? one : many}`;
