/**
 * The word among `candidates` that a person most likely meant; `undefined` where none is near enough to be a slip:
 * at most a third of the letters (and three) wrong, missing, too many or swapped. How a word is cased or joined (`retry_on`, `RetryOn`) does not count.
 */
export function closest(word: string, candidates: readonly string[]): string | undefined {
  const plain = withoutStyle(word)
  for (const candidate of candidates) if (withoutStyle(candidate) === plain) return candidate
  const limit = Math.min(3, Math.max(1, word.length / 3))
  let best: string | undefined
  let least = Number.POSITIVE_INFINITY
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - word.length) > limit) continue
    const distance = slips(word, candidate)
    if (distance < least && distance <= limit) {
      least = distance
      best = candidate
    }
  }
  return best
}

/** `"WORD"?` as a question for the end of a remedy, '' where there is nothing to suggest. */
export function didYouMean(word: string, candidates: readonly string[]): string {
  const found = closest(word, candidates)
  return found === undefined ? '' : `did you mean "${found}"?`
}

function withoutStyle(word: string): string {
  return word.toLowerCase().replaceAll(/[-_ ]/g, '')
}

/** Optimal string alignment distance in which a difference of case only costs half. */
function slips(a: string, b: string): number {
  let before: number[] = []
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      let cost = Math.min(
        at(previous, j) + 1,
        at(row, j - 1) + 1,
        at(previous, j - 1) + substitution(a.charAt(i - 1), b.charAt(j - 1)),
      )
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) cost = Math.min(cost, at(before, j - 2) + 1)
      row.push(cost)
    }
    before = previous
    previous = row
  }
  return at(previous, b.length)
}

function substitution(a: string, b: string): number {
  return a === b ? 0 : a.toLowerCase() === b.toLowerCase() ? 0.5 : 1
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Number.POSITIVE_INFINITY
}
