// Work that is done at once where everything it needs is at hand, and waits only for what is not. An `await` waits in any case, and
// a read whose parts are all in memory would spend more on waiting than on reading.

/** There now, or later. */
export type Soon<T> = T | Promise<T>;

/** Goes on with what is there, or will be. */
export const after = <T, R>(given: Soon<T>, goOn: (value: T) => Soon<R>): Soon<R> =>
  given instanceof Promise ? given.then(goOn) : goOn(given);

/** All of them, in their order. */
export const allOf = <T extends readonly unknown[]>(
  given: {
    [At in keyof T]: Soon<T[At]>;
  },
): Soon<T> =>
  given.some((each) => each instanceof Promise)
    ? (Promise.all(given) as Promise<unknown> as Promise<T>)
    : (given as unknown as T);
