/** What is known now, or will be: most answers are ready at once, and need no promise. */
export type Later<T> = T | Promise<T>

/** Goes on with a value, in this turn where it is known. `next` may throw; it may answer later. */
export function whenKnown<T, R>(value: Later<T>, next: (value: T) => Later<R>): Later<R> {
  return value instanceof Promise ? value.then(next) : next(value)
}
