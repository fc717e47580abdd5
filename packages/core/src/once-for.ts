// What follows from a value alone is made once, and kept as long as the value is.

export function onceFor<Value extends object, Made>(make: (value: Value) => Made): (value: Value) => Made {
  const all = new WeakMap<Value, { made: Made }>();
  return (value) => {
    let kept = all.get(value);
    if (kept === undefined) {
      kept = { made: make(value) };
      all.set(value, kept);
    }
    return kept.made;
  };
}
