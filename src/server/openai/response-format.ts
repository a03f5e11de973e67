/** `response_format`: text, any JSON, or JSON of a schema; as the grammar that the answer follows. */

import { z } from '@hono/zod-openapi';
import { anyJsonGrammar, schemaGrammar } from './json-grammar.ts';

export type ResponseFormat =
  | { type: 'text' }
  | { type: 'json_object' }
  | { type: 'json_schema'; json_schema: { schema?: unknown } };

export const responseFormat: z.ZodType<ResponseFormat> = z
  .union(
    [
      z.looseObject({ type: z.literal('text') }),
      z.looseObject({ type: z.literal('json_object') }),
      z.looseObject({
        type: z.literal('json_schema'),
        json_schema: z.looseObject({ name: z.string().optional(), schema: z.unknown().optional() }),
      }),
    ],
    { error: 'expected {type: text | json_object | json_schema}' },
  )
  .openapi('ResponseFormat');

/** @throws ApiError naming the place in the schema that cannot be expressed */
export function formatGrammar(format: ResponseFormat | null | undefined): string | undefined {
  if (format == null || format.type === 'text') return undefined;
  if (format.type === 'json_object') return anyJsonGrammar();
  const { schema } = format.json_schema;
  return schema === undefined
    ? anyJsonGrammar()
    : schemaGrammar(schema, 'response_format.json_schema.schema');
}
