/** Tells when the last byte of a response is on its way: for a stream that is long after its handler returned. */

/** Calls `onEnd` once: at the end of the body, when it breaks, or when its reader gives up. */
export function afterBody(response: Response, onEnd: () => void): Response {
  if (response.body === null) {
    onEnd();
    return response;
  }
  const reader = response.body.getReader();
  let over = false;
  function end(): void {
    if (!over) onEnd();
    over = true;
  }
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (!done) return controller.enqueue(value);
        end();
        controller.close();
      } catch (error) {
        end();
        controller.error(error);
      }
    },
    async cancel(reason) {
      end();
      await reader.cancel(reason);
    },
  });
  return new Response(body, response);
}
