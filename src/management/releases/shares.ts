/** Shares of the requests to a service, by version; whole percents that add up to 100. A version is a subset, or a Service that has only its pods. */
export type Shares = ReadonlyMap<string, number>

/** Why something cannot be released so, and what could. */
export class NoShift extends Error {
  readonly remedy: string
  constructor(message: string, remedy: string) {
    super(message)
    this.remedy = remedy
  }
}

/** Reads `v1=90`, ... @throws NoShift */
export function parseShares(words: readonly string[]): Shares {
  const shares = new Map<string, number>()
  for (const word of words) {
    const [version, share] = parseShare(word)
    if (shares.has(version)) throw new NoShift(`${version} is named twice`, 'name each once')
    shares.set(version, share)
  }
  const sum = [...shares.values()].reduce((total, share) => total + share, 0)
  if (sum !== 100) throw new NoShift(`the shares add up to ${sum}`, 'let them add up to 100')
  return shares
}

/** Reads `v2=10`. @throws NoShift */
export function parseShare(word: string): readonly [version: string, percent: number] {
  const [, version = '', text = ''] = /^([^=]+)=(\d+)%?$/.exec(word) ?? []
  if (version === '') throw new NoShift(`"${word}" is no share`, 'write VERSION=PERCENT, such as v2=10')
  const percent = Number(text)
  if (percent > 100) throw new NoShift(`${version} is to have ${percent} %`, 'write at most 100')
  return [version, percent]
}
