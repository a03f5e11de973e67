/** Text from tokens' bytes: whole characters, and nothing of a stop string. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AnswerText } from '../../src/engine/answer-text.ts';

/** What each push and the end give, for pieces that are text or bytes. */
function told(stops: string[], ...pieces: (string | number[])[]): { told: string[]; answer: AnswerText } {
  const answer = new AnswerText(stops);
  const parts = pieces.map((piece) =>
    answer.push(typeof piece === 'string' ? Buffer.from(piece) : Uint8Array.from(piece)),
  );
  return { told: [...parts, answer.end()], answer };
}

test('plain text passes at once', () => {
  const { told: parts, answer } = told([], 'Hello', ' world');
  expect(parts).toEqual(['Hello', ' world', '']);
  expect(answer.text).toBe('Hello world');
  expect(answer.stopped).toBe(false);
});

test('a character split over tokens comes with its last byte', () => {
  const [a, b, c, d] = Buffer.from('🦙');
  expect(told([], [a!, b!], [c!], [d!, 0x21]).told).toEqual(['', '', '🦙!', '']);
  const [e, f] = Buffer.from('é');
  expect(told([], [0x41, e!], [f!]).told).toEqual(['A', 'é', '']);
});

test('it is pending while something is not told', () => {
  const answer = new AnswerText(['\n\n']);
  expect(answer.pending).toBe(false);
  answer.push(Buffer.from('é').subarray(0, 1));
  expect(answer.pending).toBe(true);
  answer.push(Buffer.from('é').subarray(1));
  expect(answer.pending).toBe(false);
  answer.push(Buffer.from('a\n'));
  expect(answer.pending).toBe(true);
  answer.push(Buffer.from('b'));
  expect(answer.pending).toBe(false);
  answer.push(Buffer.from('\n'));
  answer.end();
  expect(answer.pending).toBe(false);
});

test('an unfinished character at the end becomes �', () => {
  expect(told([], 'a', [0xf0, 0x9f]).told).toEqual(['a', '', '�']);
});

test('bytes that are no text do not swallow what follows', () => {
  expect(told([], [0xff], [0x41], [0x80], [0x42]).told).toEqual(['�', 'A', '�', 'B', '']);
  expect(told([], [0xe2], [0x41]).told).toEqual(['', '�A', '']);
});

test('a byte order mark is a character', () => {
  const { told: parts, answer } = told([], '\ufeffa', '\ufeffb');
  expect(parts.join('')).toBe('\ufeffa\ufeffb');
  expect(answer.text).toBe('\ufeffa\ufeffb');
});

test('the text ends before a stop string, also one that is split over tokens', () => {
  const { told: parts, answer } = told(['STOP'], 'go S', 'TO', 'P and on', ' more');
  expect(parts).toEqual(['go ', '', '', '', '']);
  expect(answer.text).toBe('go ');
  expect(answer.stopped).toBe(true);
});

test('what only looked like a stop string is released', () => {
  expect(told(['STOP'], 'S', 'T', 'AY').told).toEqual(['', '', 'STAY', '']);
  expect(told(['STOP'], 'S', 'T').told).toEqual(['', '', 'ST']);
  expect(told(['aab'], 'a', 'a', 'a', 'b').told).toEqual(['', '', 'a', '', '']);
});

test('the earliest of several stop strings counts, and an empty one does not', () => {
  expect(told(['', 'lo', 'ell'], 'Hello').answer.text).toBe('H');
  expect(told(['world', 'o w'], 'hello', ' world').answer.text).toBe('hell');
});

test('a stop string of multi-byte characters is found over split bytes', () => {
  const bytes = [...Buffer.from('ja🦙nein')];
  const { told: parts, answer } = told(['🦙'], ...bytes.map((byte) => [byte]));
  expect(parts.join('')).toBe('ja');
  expect(answer.stopped).toBe(true);
});

const letter = fc.constantFrom('a', 'b', 'ab', 'é', '€', '🦙', '\ufeff', '\n');
const letters = fc.array(letter, { maxLength: 30 }).map((parts) => parts.join(''));
const anyStops = fc.array(
  fc.array(letter, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('')),
  { maxLength: 3 },
);

/** Cuts bytes into tokens at the given places. */
function cut(bytes: Uint8Array, places: number[]): Uint8Array[] {
  const at = [0, ...places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return at.slice(1).map((end, i) => bytes.subarray(at[i], end));
}

/** The text up to the stop string that is whole first; of those that are whole at once, the one that began first. */
function upToStop(text: string, stops: string[]): string {
  for (let end = 1; end <= text.length; end++) {
    const starts = stops.map((stop) => text.slice(0, end).indexOf(stop)).filter((at) => at >= 0);
    if (starts.length > 0) return text.slice(0, Math.min(...starts));
  }
  return text;
}

test('however text is cut into single characters, what is told adds up to the text up to the first stop', () => {
  fc.assert(
    fc.property(letters, anyStops, (text, stops) => {
      const answer = new AnswerText(stops);
      const parts = Array.from(text).map((character) => answer.push(Buffer.from(character)));
      parts.push(answer.end());
      expect(parts.join('')).toBe(answer.text);
      expect(answer.text).toBe(upToStop(text, stops));
    }),
    { numRuns: 500 },
  );
});

test('without stop strings the text is what the bytes say, however they are cut and whatever they are', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        letters.map((text) => new Uint8Array(Buffer.from(text))),
        fc.uint8Array({ maxLength: 40 }),
      ),
      fc.array(fc.nat(100), { maxLength: 12 }),
      (bytes, places) => {
        const answer = new AnswerText();
        const parts = cut(bytes, places).map((token) => answer.push(token));
        parts.push(answer.end());
        expect(parts.join('')).toBe(answer.text);
        expect(answer.text).toBe(Buffer.from(bytes).toString());
      },
    ),
    { numRuns: 1000 },
  );
});

test('with stop strings and any cut, nothing of a stop string is told', () => {
  fc.assert(
    fc.property(letters, anyStops, fc.array(fc.nat(100), { maxLength: 12 }), (text, stops, places) => {
      const answer = new AnswerText(stops);
      const parts = cut(Buffer.from(text), places).map((token) => answer.push(token));
      parts.push(answer.end());
      expect(parts.join('')).toBe(answer.text);
      expect(text.startsWith(answer.text)).toBe(true);
      for (const stop of stops) expect(answer.text).not.toContain(stop);
      const stopped = stops.some((stop) => text.includes(stop));
      expect(answer.stopped).toBe(stopped);
      if (stopped) expect(stops.some((stop) => text.slice(answer.text.length).startsWith(stop))).toBe(true);
      else expect(answer.text).toBe(text);
    }),
    { numRuns: 1000 },
  );
});
