/** What tells of the server itself: its model, whether it lives, whether it is ready. */

import type { OpenAPIHono } from '@hono/zod-openapi';
import { version } from '../files/package-version.ts';
import { ApiError } from './errors.ts';
import type { Served } from './served.ts';

/** An engine that is dead is started by being asked for; the answer does not wait for it longer than this, ms. */
const READY_WAIT = 500;

export function addStatusRoutes(app: OpenAPIHono, served: Served): void {
  const created = Math.floor(Date.now() / 1000);
  const names = [served.model.identity.name, ...served.aliases];

  app.get('/v1/models', async (c) => {
    await served.caller(c);
    return c.json({ object: 'list', data: names.map((id) => modelOf(id)) });
  });
  app.get('/v1/models/:id{.+}', async (c) => {
    await served.caller(c);
    const id = c.req.param('id');
    if (!names.includes(id))
      throw new ApiError(`there is no model ${JSON.stringify(id)}; served is ${names.join(', ')}`, {
        status: 404,
        param: 'model',
        code: 'model_not_found',
      });
    return c.json(modelOf(id));
  });
  app.get('/health', (c) => c.json({ status: 'ok', version }));
  app.get('/ready', async (c) => {
    if (served.state.draining) return c.json({ status: 'draining' }, 503);
    const breaker = served.breaker?.state() ?? 'closed';
    if (breaker === 'open') return c.json({ status: 'resting', breaker }, 503);
    const wait = Promise.withResolvers<'starting'>();
    const timer = setTimeout(wait.resolve, READY_WAIT, 'starting');
    const started = served.model.engine.start().then(
      () => 'ready' as const,
      () => 'failed' as const,
    );
    const status = await Promise.race([started, wait.promise]);
    clearTimeout(timer);
    return c.json({ status }, status === 'ready' ? 200 : 503);
  });
  if (served.metrics)
    app.get('/metrics', async (c) => {
      await served.caller(c);
      return c.text(await served.metrics!());
    });

  function modelOf(id: string): object {
    const { identity, engine } = served.model;
    const { architecture, quantization, layers, width, sha256 } = identity;
    const { contextPerRequest: context, parallel } = engine.info;
    return {
      id,
      object: 'model',
      created,
      owned_by: 'persona',
      persona: {
        architecture,
        quantization,
        layers,
        width,
        sha256,
        context,
        parallel,
        vectors: [...served.vectors.keys()],
      },
    };
  }
}
