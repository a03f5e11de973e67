/** Server-sent events as OpenAI's streams have them: one JSON document an event, then `[DONE]`. */

import { errorBody, toApiError } from '../errors.ts';

/**
 * @param gone called when the client stops reading
 */
export function eventStream(chunks: AsyncIterable<object>, headers: Headers, gone: () => void): Response {
  const encoder = new TextEncoder();
  const source = chunks[Symbol.asyncIterator]();
  const send = (controller: ReadableStreamDefaultController<Uint8Array>, data: string): void =>
    controller.enqueue(encoder.encode(`data: ${data}\n\n`));
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const next = await source.next();
        if (!next.done) return send(controller, JSON.stringify(next.value));
        send(controller, '[DONE]');
      } catch (error) {
        // the status is sent already: the error is the last event, and no [DONE] says that all is well
        send(controller, JSON.stringify(errorBody(toApiError(error))));
      }
      controller.close();
    },
    cancel: gone,
  });
  headers.set('content-type', 'text/event-stream; charset=utf-8');
  headers.set('cache-control', 'no-cache');
  headers.set('x-accel-buffering', 'no'); // a proxy that collects the stream makes it none
  return new Response(body, { headers });
}
