/** Python's strftime in the C locale, as far as chat templates use it, at a moment that the caller can fix. */

const months = 'January February March April May June July August September October November December'.split(
  ' ',
);
const days = 'Sunday Monday Tuesday Wednesday Thursday Friday Saturday'.split(' ');

/** Local time. An unknown directive stays as it is. `strftime('%d %b %Y', new Date(2026, 6, 4))` is `04 Jul 2026`. */
export function strftime(format: string, date: Date): string {
  const two = (n: number): string => String(n).padStart(2, '0');
  const month = months[date.getMonth()]!;
  const day = days[date.getDay()]!;
  const hour12 = date.getHours() % 12 || 12;
  const values: Record<string, string> = {
    Y: String(date.getFullYear()),
    y: two(date.getFullYear() % 100),
    m: two(date.getMonth() + 1),
    B: month,
    b: month.slice(0, 3),
    d: two(date.getDate()),
    e: String(date.getDate()).padStart(2, ' '),
    A: day,
    a: day.slice(0, 3),
    H: two(date.getHours()),
    I: two(hour12),
    M: two(date.getMinutes()),
    S: two(date.getSeconds()),
    p: date.getHours() < 12 ? 'AM' : 'PM',
    '%': '%',
  };
  return format.replace(/%(-?)(.)/g, (directive, unpadded: string, letter: string) => {
    const value = values[letter];
    if (value === undefined) return directive;
    return unpadded ? value.replace(/^[0 ]+(?=.)/, '') : value;
  });
}
