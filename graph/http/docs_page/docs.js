// Renders openapi.json as one form a route. Everything that comes from the service is shown as text.

const ROOT = new URL("..", import.meta.url);
const METHODS = ["get", "post", "put", "delete"];

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function fieldsOf(operation) {
  const parameters = (operation.parameters ?? []).map((one) => ({ ...one, note: one.description, kind: one.in }));
  const form = operation.requestBody?.content["multipart/form-data"]?.schema;
  const parts = Object.entries(form?.properties ?? {}).map(([name, schema]) => ({
    name, schema, note: schema.description, kind: "form", required: form.required?.includes(name),
  }));
  const json = operation.requestBody?.content["application/json"];
  const body = json && !form ? [{ name: "body", note: "JSON", kind: "json", required: true, schema: json.schema }] : [];
  return [...parameters, ...parts, ...body];
}

function inputFor(field) {
  if (field.kind === "json") return element("textarea", { value: exampleOf(field.schema) });
  const isFile = field.schema?.format === "binary";
  return element("input", { type: isFile ? "file" : "text", placeholder: String(field.schema?.default ?? "") });
}

function exampleOf(schema) {
  const shown = Object.entries(schema.properties).map(([name, one]) => [name, one.default ?? one.const ?? (one.type === "array" ? [""] : "")]);
  return JSON.stringify(Object.fromEntries(shown), null, 2);
}

function requestOf(method, path, filled) {
  const query = new URLSearchParams();
  const form = new FormData();
  const headers = new Headers();
  const key = document.getElementById("key").value;
  if (key) headers.set("X-API-Key", key);
  let address = path.slice(1);
  let body;
  for (const { field, input } of filled) {
    const value = input.type === "file" ? input.files[0] : input.value;
    if (field.kind === "path") address = address.replace(`{${field.name}}`, encodeURIComponent(value));
    else if (!value) continue;
    else if (field.kind === "query") query.set(field.name, value);
    else if (field.kind === "form") { form.append(field.name, value); body = form; }
    else { body = value; headers.set("Content-Type", "application/json"); }
  }
  const url = new URL(address, ROOT);
  url.search = query;
  return new Request(url, { method: method.toUpperCase(), headers, body });
}

async function show(request, output) {
  output.replaceChildren("...");
  try {
    const response = await fetch(request);
    const heading = `${response.status} ${response.statusText}  ${new URL(request.url).pathname}`;
    const kind = response.headers.get("Content-Type") ?? "";
    if (kind.startsWith("image/")) {
      const picture = element("img", { src: URL.createObjectURL(await response.blob()), alt: "the answer" });
      output.replaceChildren(element("pre", {}, heading), picture);
      return;
    }
    const text = await response.text();
    const pretty = kind.includes("json") && text ? JSON.stringify(JSON.parse(text), null, 2) : text;
    output.replaceChildren(element("pre", {}, `${heading}\n\n${pretty}`));
  } catch (error) {
    output.replaceChildren(element("pre", {}, `no answer: ${error.message}`));
  }
}

function routeOf(method, path, operation) {
  const filled = fieldsOf(operation).map((field) => ({ field, input: inputFor(field) }));
  const labels = filled.map(({ field, input }) =>
    element("label", {}, `${field.name}${field.required ? " (required)" : ""} `, element("small", {}, field.note ?? ""), input));
  const answers = Object.entries(operation.responses).map(([status, one]) =>
    element("tr", {}, element("td", {}, status), element("td", {}, one.description)));
  const output = element("div");
  const form = element("form", {}, ...labels, element("button", {}, "Send"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    show(requestOf(method, path, filled), output);
  });
  const title = element("summary", {}, element("b", {}, method.toUpperCase()), element("code", {}, path), `  ${operation.summary ?? ""}`);
  return element("details", {}, title, form, output, element("table", {}, ...answers));
}

const description = await (await fetch(new URL("openapi.json", ROOT))).json();
const groups = new Map();
for (const [path, operations] of Object.entries(description.paths)) {
  for (const method of METHODS.filter((one) => one in operations)) {
    const tag = operations[method].tags?.[0] ?? "other";
    if (!groups.has(tag)) groups.set(tag, element("section", {}, element("h2", {}, tag)));
    groups.get(tag).append(routeOf(method, path, operations[method]));
  }
}
document.getElementById("routes").append(...groups.values());
