/**
 * A provider for the AI SDK (`ai`): models behind `persona serve`, with steering and watching in `providerOptions.persona`
 * and what was read in `providerMetadata.persona`.
 */

import {
  createOpenAICompatible,
  type MetadataExtractor,
  type OpenAICompatibleProvider,
} from '@ai-sdk/openai-compatible';

export interface PersonaSettings {
  /** as in `http://127.0.0.1:8080/v1` */
  baseURL: string;
  apiKey?: string;
  headers?: Record<string, string>;
  fetch?: typeof globalThis.fetch;
}

/**
 * `providerOptions: { persona: { steering: { vector: 'evil', coefficient: -1 }, monitor: ['evil'] } }`: what stands in
 * it goes into the request as it is.
 */
export function createPersona(settings: PersonaSettings): OpenAICompatibleProvider {
  return createOpenAICompatible({
    ...settings,
    name: 'persona',
    includeUsage: true,
    supportsStructuredOutputs: true,
    metadataExtractor: extractor,
    transformRequestBody(body) {
      // the SDK does not tell choices of a stream apart: the unsteered answer would be mixed into the other
      if (body.stream === true && (body.compare === true || Number(body.n) > 1))
        throw new TypeError(
          'persona: compare and n are for generateText; a stream of the AI SDK has one answer',
        );
      return body;
    },
  });
}

type Metadata = NonNullable<Awaited<ReturnType<MetadataExtractor['extractMetadata']>>>;
type Persona = Metadata[string];

const extractor: MetadataExtractor = {
  extractMetadata: ({ parsedBody }) => {
    const persona = personaIn(parsedBody);
    return Promise.resolve(persona && { persona });
  },
  createStreamExtractor() {
    let summary: Persona = {};
    const tokens: unknown[] = [];
    return {
      processChunk(chunk) {
        const { tokens: read, ...rest } = personaIn(chunk) ?? {};
        if (Array.isArray(read)) tokens.push(...read);
        summary = { ...summary, ...rest };
      },
      buildMetadata: () => ({ persona: { ...summary, ...(tokens.length > 0 && { tokens: tokens as [] }) } }),
    };
  },
};

function personaIn(body: unknown): Persona | undefined {
  return (body as { choices?: { persona?: Persona }[] }).choices?.[0]?.persona;
}
