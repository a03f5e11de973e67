/** The server's HTTP interface: its operations, and what becomes of a request that is none of them. */

import { OpenAPIHono, z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { cors } from 'hono/cors';
import { addDescription } from './describe.ts';
import { ApiError, errorResponse } from './errors.ts';
import { chat } from './openai/chat.ts';
import { completions } from './openai/completions.ts';
import { readJson } from './read-body.ts';
import type { Served } from './served.ts';
import { addStatusRoutes } from './status-routes.ts';
import { addVectorRoutes } from './vector-routes.ts';

export function buildApp(served: Served): OpenAPIHono {
  const app = new OpenAPIHono();
  if (served.cors !== undefined) app.use(cors({ origin: served.cors, exposeHeaders: ['x-persona-held'] }));
  app.onError((error) => errorResponse(error));
  app.notFound(({ req }) =>
    errorResponse(
      new ApiError(`there is no ${req.method} ${req.path}`, { status: 404, code: 'unknown_url' }),
    ),
  );
  const body = (c: Context): Promise<unknown> => readJson(c.req.raw, z.unknown(), served.limits.body);
  app.post('/v1/chat/completions', async (c) =>
    chat(served, c.req.raw, await served.caller(c), await body(c)),
  );
  app.post('/v1/completions', async (c) =>
    completions(served, c.req.raw, await served.caller(c), await body(c)),
  );
  addStatusRoutes(app, served);
  addVectorRoutes(app, served);
  addDescription(app, served);
  return app;
}
