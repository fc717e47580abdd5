// Whose calls are counted together by address: one customer of a provider has a whole /64 of IPv6 to call from.

/** An IPv4 address as it is, also where it comes in the clothes of IPv6; of any other IPv6 address its /64. */
export function networkOf(address: string): string {
  if (!address.includes(":")) return address;
  const lower = address.split("%", 1)[0]!.toLowerCase();
  const words = expand(lower);
  if (words === undefined) return address;
  const isMapped = words.slice(0, 5).every((word) => word === 0) && words[5] === 0xffff;
  if (isMapped) return [words[6]! >> 8, words[6]! & 255, words[7]! >> 8, words[7]! & 255].join(".");
  return `${words
    .slice(0, 4)
    .map((word) => word.toString(16))
    .join(":")}::/64`;
}

/** The eight words; undefined where it is no IPv6 address. */
function expand(address: string): number[] | undefined {
  const dotted = /^(.*:)(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(address);
  if (dotted) {
    const [a = 0, b = 0, c = 0, d = 0] = dotted.slice(2).map(Number);
    return expand(`${dotted[1]}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`);
  }
  const [head = "", tail, more] = address.split("::");
  if (more !== undefined) return undefined;
  const read = (part: string) => (part === "" ? [] : part.split(":").map(readWord));
  const [first, last] = [read(head), read(tail ?? "")];
  const missing = 8 - first.length - last.length;
  if (tail === undefined ? missing !== 0 : missing < 0) return undefined;
  const words = [...first, ...Array<number>(missing).fill(0), ...last];
  return words.every((word) => word >= 0 && word <= 0xffff) ? words : undefined;
}

const readWord = (word: string): number =>
  /^[0-9a-f]{1,4}$/.test(word) ? Number.parseInt(word, 16) : Number.NaN;
