/**
 * One object for all values that are equal, for as long as somebody holds it: what many have alike is in memory once.
 * @returns a function that gives the object of a key, made by its second argument where there is none (any more). The key says all that there is in the value.
 */
export function canonical<V extends object>(): (key: string, make: () => V) => V {
  const living = new Map<string, WeakRef<V>>()
  const gone = new FinalizationRegistry<string>((key) => {
    // Another may have been made meanwhile.
    if (!living.get(key)?.deref()) living.delete(key)
  })
  return (key, make) => {
    const known = living.get(key)?.deref()
    if (known) return known
    const made = make()
    living.set(key, new WeakRef(made))
    gone.register(made, key)
    return made
  }
}
