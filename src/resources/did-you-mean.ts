/**
 * The word among `candidates` that a person most likely meant; `undefined` where none is near enough to be a slip:
 * at most a third of the letters (and three) wrong, missing, too many or swapped. How a word is cased or joined
 * (`retry_on`, `RetryOn`) does not count.
 */
export function closest(word: string, candidates: readonly string[]): string | undefined {
  const same = candidates.find((candidate) => isSameWord(candidate, word))
  if (same !== undefined) return same
  const limit = Math.min(3, Math.max(1, word.length / 3))
  let best: string | undefined
  let least = Number.POSITIVE_INFINITY
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - word.length) > limit) continue
    const distance = slips(word.toLowerCase(), candidate.toLowerCase())
    if (distance < least && distance <= limit) {
      least = distance
      best = candidate
    }
  }
  return best
}

/** Whether two words differ in nothing but how they are cased and joined: `retry_on` and `retryOn`. */
export function isSameWord(a: string, b: string): boolean {
  return plain(a) === plain(b)
}

function plain(word: string): string {
  return word.toLowerCase().replaceAll(/[-_ ]/g, '')
}

/** Optimal string alignment distance: letters that are wrong, missing, too many or swapped with the next. */
function slips(a: string, b: string): number {
  let before: number[] = []
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const wrong = a[i - 1] === b[j - 1] ? 0 : 1
      let cost = Math.min(at(previous, j) + 1, at(row, j - 1) + 1, at(previous, j - 1) + wrong)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) cost = Math.min(cost, at(before, j - 2) + 1)
      row.push(cost)
    }
    before = previous
    previous = row
  }
  return at(previous, b.length)
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Number.POSITIVE_INFINITY
}
