/** The server's HTTP interface: its operations, what guards them, and their description. */

import { OpenAPIHono, z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { cors } from 'hono/cors';
import { version } from '../files/package-version.ts';
import { ApiError, errorResponse } from './errors.ts';
import { chat, chatBody } from './openai/chat.ts';
import { completionBody, completions } from './openai/completions.ts';
import { readJson } from './read-body.ts';
import type { Served } from './served.ts';

export function buildApp(served: Served): OpenAPIHono {
  const app = new OpenAPIHono();
  const begun = Math.floor(Date.now() / 1000);
  if (served.cors !== undefined) app.use(cors({ origin: served.cors, exposeHeaders: ['x-persona-held'] }));
  app.onError((error) => errorResponse(error));
  app.notFound(({ req }) =>
    errorResponse(
      new ApiError(`there is no ${req.method} ${req.path}`, { status: 404, code: 'unknown_url' }),
    ),
  );
  const json = (c: Context): Promise<unknown> => readJson(c.req.raw, z.unknown(), served.limits.body);

  app.post('/v1/chat/completions', async (c) =>
    chat(served, c.req.raw, await served.caller(c), await json(c)),
  );
  app.post('/v1/completions', async (c) =>
    completions(served, c.req.raw, await served.caller(c), await json(c)),
  );
  return app;
}
