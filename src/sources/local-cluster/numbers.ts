/** Numbers that are given to names one after the other. A name keeps its number for as long as it is asked for. */
export interface Numbers {
  /** The last one given. */
  readonly last: number
  readonly of: Readonly<Record<string, number>>
}

export const noNumbers: Numbers = { last: -1, of: {} }

/**
 * A number in [0, `limit`) for every name and for no other. Free numbers are taken in turn, so one that was given back is
 * left alone for as long as possible: somebody may still be talking to its last owner.
 * @throws Error where there are more names than numbers
 */
export function numbered(before: Numbers, names: Iterable<string>, limit: number): Numbers {
  const of: Record<string, number> = {}
  const taken = new Set<number>()
  const fresh: string[] = []
  for (const name of names) {
    const number = before.of[name]
    if (number === undefined) fresh.push(name)
    else {
      of[name] = number
      taken.add(number)
    }
  }
  let last = before.last
  for (const name of fresh.sort()) {
    if (taken.size >= limit) throw new Error(`there are only ${limit} numbers, none is left for ${name}`)
    do last = (last + 1) % limit
    while (taken.has(last))
    of[name] = last
    taken.add(last)
  }
  return { last, of }
}
