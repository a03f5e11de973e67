/**
 * The page at /docs: the OpenAPI document for people, in one file that loads nothing from elsewhere. (The usual viewers
 * are megabytes of script, most of them fetched from a network; what is to be read here are three tables.)
 */

/** What of a JSON schema is shown. */
export interface Schema {
  $ref?: string;
  type?: string | string[];
  enum?: unknown[];
  const?: unknown;
  description?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  additionalProperties?: boolean | Schema;
  anyOf?: Schema[];
  oneOf?: Schema[];
  allOf?: Schema[];
  minimum?: number;
  maximum?: number;
}

interface Operation {
  summary?: string;
  requestBody?: { content: Record<string, { schema?: Schema }> };
  responses: Record<string, { content?: Record<string, { schema?: Schema }> }>;
}

export interface ApiDocument {
  info: { title: string; version: string; description?: string };
  paths?: Record<string, Record<string, Operation>>;
  components?: { schemas?: Record<string, Schema> };
}

/** @param origin where the server is, for the examples: http://127.0.0.1:8080 */
export function docsPage({ info, paths = {}, components }: ApiDocument, origin: string): string {
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method, path, operation })),
  );
  const schemas = Object.entries(components?.schemas ?? {}).filter(([, schema]) => schema.properties);
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escape(info.title)}</title>
<style>${STYLE}</style>
<h1>${escape(info.title)} <small>${escape(info.version)}</small></h1>
<p>${escape(info.description ?? '')} For programs: <a href="openapi.json">openapi.json</a>.</p>
<h2>Steer and watch</h2>
<pre>curl ${escape(origin)}/v1/chat/completions -H 'content-type: application/json' -d '{
  "messages": [{"role": "user", "content": "How will my week go?"}],
  "steering": {"vector": "NAME", "coefficient": -1}, "monitor": ["NAME"]}'</pre>
<p>NAME is one of <code>GET /control-vectors</code>. Each choice carries a <a href="#Persona">persona</a>; in streams each chunk's
has <code>tokens</code>, with the readings of its own tokens, and the last one all of it.
Where the server wants keys: <code>-H 'authorization: Bearer KEY'</code>.</p>
<h2>Operations</h2>
<table>${operations.map(({ method, path, operation }) => operationRow(method, path, operation)).join('\n')}</table>
${schemas.map(([name, schema]) => schemaSection(name, schema)).join('\n')}
</html>
`;
}

function operationRow(
  method: string,
  path: string,
  { summary = '', requestBody, responses }: Operation,
): string {
  const takes = Object.values(requestBody?.content ?? {}).map(({ schema }) => schema && typeOf(schema));
  const gives = Object.values(responses['200']?.content ?? {}).map(({ schema }) => schema && typeOf(schema));
  const known = (types: (string | undefined)[]): string[] =>
    types.filter((type) => type?.includes('href')) as string[];
  const [from, to] = [known(takes), known(gives)].map((types) => types.join(', '));
  const arrow = from || to ? `${from} → ${to || 'JSON'}` : '';
  return `<tr><td>${method.toUpperCase()}</td><td><code>${escape(path)}</code></td><td>${escape(summary)}</td><td>${arrow}</td></tr>`;
}

function schemaSection(name: string, { properties = {}, required = [], description }: Schema): string {
  const rows = Object.entries(properties).map(([field, schema]) => {
    const mark = required.includes(field) ? ' <b title="required">*</b>' : '';
    return `<tr><td><code>${escape(field)}</code>${mark}</td><td>${typeOf(schema)}</td><td>${escape(schema.description ?? '')}</td></tr>`;
  });
  return `<h3 id="${escape(name)}">${escape(name)}</h3>
${description === undefined ? '' : `<p>${escape(description)}</p>`}
<table>${rows.join('\n')}</table>`;
}

/** A schema in a few words, as HTML: "integer, 1 … 20", "string | list of Steering"; null is never said. */
export function typeOf(schema: Schema): string {
  if (schema.$ref !== undefined) {
    const name = schema.$ref.split('/').at(-1)!;
    return `<a href="#${escape(name)}">${escape(name)}</a>`;
  }
  const parts = schema.anyOf ?? schema.oneOf ?? schema.allOf;
  if (parts) return [...new Set(parts.map(typeOf))].filter(Boolean).join(' | ');
  const values = schema.const === undefined ? schema.enum : [schema.const];
  if (values)
    return values
      .filter((value) => value !== null)
      .map((value) => escape(JSON.stringify(value)))
      .join(' | ');
  const types = [schema.type ?? []].flat().filter((type) => type !== 'null');
  return types.map((type) => plainType(type, schema)).join(' | ');
}

function plainType(
  type: string,
  { items, additionalProperties, properties, minimum, maximum }: Schema,
): string {
  if (type === 'array') {
    const each = (items && typeOf(items)) || 'anything';
    return `list of ${each.includes(' | ') ? `(${each})` : each}`;
  }
  if (type === 'object' && properties) return `{ ${Object.keys(properties).map(escape).join(', ')} }`;
  if (type === 'object' && typeof additionalProperties === 'object')
    return `object of ${typeOf(additionalProperties) || 'anything'}`;
  // the schemas of whole numbers name the largest there is
  const [least, most] = [minimum, maximum].map((bound) =>
    Math.abs(bound ?? Infinity) < Number.MAX_SAFE_INTEGER ? bound : undefined,
  );
  if (least !== undefined && most !== undefined) return `${type}, ${least} … ${most}`;
  if (least !== undefined) return `${type}, from ${least}`;
  return most === undefined ? type : `${type}, up to ${most}`;
}

function escape(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}

const STYLE = `body{font:16px/1.5 system-ui;margin:2rem auto;max-width:64rem;padding:0 1rem;color:#222;background:#fff}
small{font-weight:normal;color:#777}h2,h3{margin:2rem 0 .5rem}b{color:#b00}
table{border-collapse:collapse;width:100%}td{padding:.25rem 1rem .25rem 0;border-top:1px solid #e4e4e4;vertical-align:top}
td code{white-space:nowrap}pre{background:#f5f5f5;padding:1rem;overflow:auto}
@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}td{border-color:#333}pre{background:#242424}a{color:#8bf}b{color:#f77}}`;
