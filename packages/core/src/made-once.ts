// Texts that are made of the same few pairs of texts in call after call: made once, and the same string from then on.

const mostOfEach = 200;

/** Past its bound it forgets everything and begins anew, so that callers who invent words cost no memory. */
export function madeOnce(
  make: (one: string, other: string) => string,
): (one: string, other: string) => string {
  const known = new Map<string, Map<string, string>>();
  return (one, other) => {
    let ofOne = known.get(one);
    if (ofOne === undefined) {
      if (known.size >= mostOfEach) known.clear();
      ofOne = new Map();
      known.set(one, ofOne);
    }
    let text = ofOne.get(other);
    if (text === undefined) {
      if (ofOne.size >= mostOfEach) ofOne.clear();
      text = make(one, other);
      ofOne.set(other, text);
    }
    return text;
  };
}
