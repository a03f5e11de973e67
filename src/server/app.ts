/** The server's HTTP interface: its operations, and what becomes of a request that is none of them. */

import { OpenAPIHono, z } from '@hono/zod-openapi';
import type { Context, MiddlewareHandler } from 'hono';
import { cors } from 'hono/cors';
import { addDescription } from './describe.ts';
import { ApiError, errorResponse } from './errors.ts';
import type { Incoming } from './openai/plan.ts';
import { chat } from './openai/chat.ts';
import { completions } from './openai/completions.ts';
import { parseJson, readJson } from './read-body.ts';
import type { Served } from './served.ts';
import { addStatusRoutes } from './status-routes.ts';
import { underCaller } from './traces.ts';
import { addVectorRoutes } from './vector-routes.ts';

export function buildApp(served: Served): OpenAPIHono {
  const app = new OpenAPIHono();
  app.use((c, next) => underCaller(c.req.raw.headers, next));
  if (served.cors !== undefined) app.use(cors({ origin: served.cors, exposeHeaders: ['x-persona-held'] }));
  app.onError((error) => errorResponse(error));
  app.notFound(({ req }) =>
    errorResponse(
      new ApiError(`there is no ${req.method} ${req.path}`, { status: 404, code: 'unknown_url' }),
    ),
  );
  if (served.door)
    for (const path of ['/v1/*', '/control-vectors/*', '/metrics'])
      app.use(path, served.door as MiddlewareHandler);
  const body = (c: Context): Promise<unknown> =>
    served.door // has read it, within its own limit
      ? parseJson(c.req.header('content-type') ?? 'none', () => c.req.text(), z.unknown())
      : readJson(c.req.raw, z.unknown(), served.limits.body);
  app.post('/v1/chat/completions', async (c) =>
    chat(served, incoming(c), await served.caller(c), await body(c)),
  );
  app.post('/v1/completions', async (c) =>
    completions(served, incoming(c), await served.caller(c), await body(c)),
  );
  addStatusRoutes(app, served);
  addVectorRoutes(app, served);
  addDescription(app, served);
  return app;
}

/** With the door's signal (gone, or out of time) and bill, where there is a door. */
function incoming(c: Context): Incoming {
  const { raw } = c.req;
  return {
    headers: raw.headers,
    signal: (c.get('signal') as AbortSignal | undefined) ?? raw.signal,
    settle: (c.get('settle') as Incoming['settle'] | undefined) ?? (() => {}),
  };
}
