import type { DiffLine } from './answers.ts'

/** Lines that stay the same are shown so many before and after those that differ. */
const CONTEXT = 3

/** How a text becomes another, line by line. For texts that differ in few places. */
export function lineDiff(before: string, after: string): readonly DiffLine[] {
  const [old, now] = [linesOf(before), linesOf(after)]
  let start = 0
  while (start < old.length && start < now.length && old[start] === now[start]) start++
  let end = 0
  while (end < old.length - start && end < now.length - start && old.at(-1 - end) === now.at(-1 - end)) end++
  const same = (text: string): DiffLine => ({ kind: 'same', text })
  return shortened([
    ...old.slice(0, start).map(same),
    ...middle(old.slice(start, old.length - end), now.slice(start, now.length - end)),
    ...old.slice(old.length - end).map(same),
  ])
}

function linesOf(text: string): readonly string[] {
  return text === '' ? [] : text.replace(/\n$/, '').split('\n')
}

/** By a longest common subsequence. */
function middle(old: readonly string[], now: readonly string[]): readonly DiffLine[] {
  const width = now.length + 1
  const longest = new Uint32Array((old.length + 1) * width)
  for (let i = old.length - 1; i >= 0; i--)
    for (let j = now.length - 1; j >= 0; j--)
      longest[i * width + j] =
        old[i] === now[j]
          ? 1 + (longest[(i + 1) * width + j + 1] ?? 0)
          : Math.max(longest[(i + 1) * width + j] ?? 0, longest[i * width + j + 1] ?? 0)
  const lines: DiffLine[] = []
  let [i, j] = [0, 0]
  while (i < old.length || j < now.length) {
    const [a, b] = [old[i], now[j]]
    if (a !== undefined && a === b) {
      lines.push({ kind: 'same', text: a })
      i++
      j++
    } else if (a !== undefined && (b === undefined || at(i + 1, j) >= at(i, j + 1))) {
      lines.push({ kind: 'removed', text: a })
      i++
    } else {
      lines.push({ kind: 'added', text: b ?? '' })
      j++
    }
  }
  return lines

  function at(i: number, j: number): number {
    return longest[i * width + j] ?? 0
  }
}

function shortened(lines: readonly DiffLine[]): readonly DiffLine[] {
  const near = new Set<number>()
  for (const [at, { kind }] of lines.entries())
    if (kind !== 'same') for (let place = at - CONTEXT; place <= at + CONTEXT; place++) near.add(place)
  const shown: DiffLine[] = []
  let skipped = 0
  for (const [at, line] of lines.entries()) {
    if (!near.has(at)) {
      skipped++
      continue
    }
    if (skipped > 0) shown.push(gap(skipped))
    skipped = 0
    shown.push(line)
  }
  return skipped > 0 && shown.length > 0 ? [...shown, gap(skipped)] : shown
}

function gap(count: number): DiffLine {
  return { kind: 'skipped', text: `${count} ${count === 1 ? 'line' : 'lines'}` }
}
