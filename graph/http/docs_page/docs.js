// Swagger UI over openapi.json, in light or dark as the system is.

const ROOT = new URL("..", import.meta.url);
const FORM = "multipart/form-data";

const dark = matchMedia("(prefers-color-scheme: dark)");
const followSystem = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", followSystem);
followSystem();

/** The document as Swagger UI needs it: requests go below the page's own address, whatever a proxy put before it. */
function prepared(description) {
  const operations = Object.values(description.paths).flatMap(Object.values);
  for (const { requestBody } of operations) fillForm(requestBody?.content[FORM]);
  return { ...description, servers: [{ url: ROOT.href.replace(/\/$/, "") }] };
}

/** Begin a form with its example, and the other fields empty: Swagger UI would fill in and send every one of them. */
function fillForm(form) {
  const example = Object.values(form?.examples ?? {})[0]?.value ?? {};
  for (const [name, field] of Object.entries(form?.schema.properties ?? {})) {
    field.example = example[name] ?? (field.type === "array" ? [] : "");
  }
}

const adapted = () => ({
  statePlugins: { spec: { wrapActions: { updateJsonSpec: (update) => (description) => update(prepared(description)) } } },
  components: { ParameterIncludeEmpty: () => null }, // what is left empty is not sent, and none asks for more
});

SwaggerUIBundle({
  dom_id: "#routes",
  url: new URL("openapi.json", ROOT).href,
  plugins: [adapted],
  validatorUrl: null, // would be asked on another site
  deepLinking: true,
  tryItOutEnabled: true,
  displayRequestDuration: true,
  defaultModelsExpandDepth: -1,
});
