/** The page at /docs: what a schema is called in words, and that nothing of a document becomes markup. */

import { expect, test } from 'vitest';
import { docsPage, type Schema, typeOf } from '../../src/server/docs-page.ts';

test.each<[Schema, string]>([
  [{ type: ['number', 'null'], minimum: 0, maximum: 10 }, 'number, 0 … 10'],
  [{ type: 'integer', minimum: 1, maximum: Number.MAX_SAFE_INTEGER }, 'integer, from 1'],
  [{ type: 'integer', maximum: 3 }, 'integer, up to 3'],
  [
    { type: 'array', items: { $ref: '#/components/schemas/Message' } },
    'list of <a href="#Message">Message</a>',
  ],
  [{ anyOf: [{ type: 'string' }, { type: 'null' }, { type: 'string' }] }, 'string'],
  [{ anyOf: [{ enum: [false] }, { type: 'array', items: {} }] }, 'false | list of anything'],
  [{ type: 'array', items: { type: ['string', 'integer'] } }, 'list of (string | integer)'],
  [{ enum: ['a', null, '<b>'] }, '&#34;a&#34; | &#34;&#60;b&#62;&#34;'],
  [{ type: 'object', properties: { raw: {}, z: {} } }, '{ raw, z }'],
  [{ type: 'object', additionalProperties: { type: 'number' } }, 'object of number'],
  [{}, ''],
])('%j is %s', (schema, words) => {
  expect(typeOf(schema)).toBe(words);
});

test('fields, required ones marked, and no markup of the document’s own', () => {
  const evil = '<script>alert(1)</script>';
  const page = docsPage(
    {
      info: { title: evil, version: '1', description: evil },
      paths: {
        '/a': {
          post: {
            summary: evil,
            requestBody: { content: { 'application/json': { schema: { $ref: '#/components/schemas/A' } } } },
            responses: {},
          },
        },
      },
      components: {
        schemas: { A: { required: ['x'], properties: { x: { description: evil }, [evil]: {} } } },
      },
    },
    evil,
  );
  expect(page).not.toContain('<script>');
  expect(page).toContain('<td>POST</td><td><code>/a</code></td>');
  expect(page).toContain('<a href="#A">A</a> → JSON');
  expect(page.match(/title="required"/g)).toHaveLength(1);
});
