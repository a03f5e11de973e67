/** The description of the interface: an OpenAPI document made of the schemas that requests are checked by, and a page. */

import { type OpenAPIHono, z } from '@hono/zod-openapi';
import { version } from '../files/package-version.ts';
import { type ApiDocument, docsPage } from './docs-page.ts';
import { chatBody } from './openai/chat.ts';
import { completionBody } from './openai/completions.ts';
import type { Served } from './served.ts';
import { loadBody } from './vector-routes.ts';

const apiError = z
  .object({
    error: z.object({
      message: z.string(),
      type: z.string(),
      param: z.string().nullable().describe('path of the field at fault'),
      code: z.string().nullable(),
    }),
  })
  .openapi('Error');

const reading = z
  .object({
    raw: z.number().nullable().describe('⟨h, v⟩/‖v‖'),
    z: z.number().nullable().describe('standard deviations from the neutral baseline'),
  })
  .openapi('Reading');

const persona = z
  .looseObject({
    seed: z.int().describe('the same one gives the same text'),
    steering: z
      .array(z.looseObject({ vector: z.string(), layer: z.int(), positions: z.int().nullable() }))
      .describe('what was applied, and at how many tokens it changed the stream'),
    traits: z
      .record(
        z.string(),
        z.object({ layer: z.int(), mean: reading, max: reading, last: reading, prompt: reading }),
      )
      .describe('what each watched trait read; prompt: before a word was written'),
    fired: z
      .array(z.looseObject({ rule: z.string(), action: z.string(), at: z.int() }))
      .describe('rules of the policy, with the token at which; −1: at the prompt'),
    baseline: z
      .looseObject({ text: z.string(), finish_reason: z.string() })
      .optional()
      .describe('with compare: the unsteered answer'),
  })
  .openapi('Persona');

const answer = z
  .looseObject({
    id: z.string(),
    choices: z.array(z.looseObject({ index: z.int(), finish_reason: z.string(), persona })),
    usage: z.looseObject({ prompt_tokens: z.int(), completion_tokens: z.int(), total_tokens: z.int() }),
  })
  .openapi('Answer');

interface Operation {
  method: 'get' | 'post' | 'delete';
  path: string;
  summary: string;
  body?: z.ZodType;
  /** @default any JSON */
  gives?: z.ZodType;
  /** @default application/json */
  as?: 'text/plain';
  /** with `stream: true` */
  streams?: true;
}

const event = z
  .looseObject({ data: z.string().describe('a chunk of the answer as JSON; the last one is [DONE]') })
  .describe('each of the server-sent events');

const JSON_TYPE = 'application/json';
const any = z.unknown();
const OPERATIONS: readonly Operation[] = [
  {
    method: 'post',
    path: '/v1/chat/completions',
    summary: 'Answer a conversation, steered and watched',
    body: chatBody,
    gives: answer,
    streams: true,
  },
  {
    method: 'post',
    path: '/v1/completions',
    summary: 'Go on from a text, steered and watched',
    body: completionBody,
    gives: answer,
    streams: true,
  },
  { method: 'get', path: '/v1/models', summary: 'The model that is served' },
  { method: 'get', path: '/v1/models/{id}', summary: 'The model by its name' },
  { method: 'get', path: '/control-vectors', summary: 'The vectors that are loaded' },
  {
    method: 'post',
    path: '/control-vectors',
    summary:
      'Load a vector from the vectors folder, or upload one (application/octet-stream, multipart/form-data)',
    body: loadBody,
  },
  { method: 'delete', path: '/control-vectors/{name}', summary: 'Unload a vector' },
  { method: 'get', path: '/health', summary: 'Whether the server lives' },
  { method: 'get', path: '/ready', summary: 'Whether it can answer' },
  {
    method: 'get',
    path: '/metrics',
    summary: 'Counts and times for Prometheus',
    gives: z.string(),
    as: 'text/plain',
  },
];

export function addDescription(app: OpenAPIHono, served: Served): void {
  for (const { method, path, summary, body, gives = any, as = JSON_TYPE, streams } of OPERATIONS) {
    const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!);
    const content = (schema: z.ZodType, type: string = JSON_TYPE): object => ({ [type]: { schema } });
    app.openAPIRegistry.registerPath({
      method,
      path,
      summary,
      request: {
        ...(body && { body: { required: true, content: content(body) } }),
        ...(names.length > 0 && {
          params: z.object(Object.fromEntries(names.map((name) => [name, z.string()]))),
        }),
      },
      responses: {
        200: {
          description: 'done',
          content: { ...content(gives, as), ...(streams && { 'text/event-stream': { schema: event } }) },
        },
        default: { description: 'an error', content: content(apiError) },
      },
    });
  }
  const { name } = served.model.identity;
  const document = (): ReturnType<typeof app.getOpenAPI31Document> =>
    app.getOpenAPI31Document({
      openapi: '3.1.0',
      info: {
        title: 'persona serve',
        version,
        description: `${name} with OpenAI's interface, steered and watched.`,
      },
    });
  app.get('/openapi.json', (c) => c.json(document()));
  app.get('/docs', (c) => c.html(docsPage(document() as unknown as ApiDocument, new URL(c.req.url).origin)));
}
