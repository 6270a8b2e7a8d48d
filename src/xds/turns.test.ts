import { setImmediate as soon } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { Turns } from './turns.ts'

/** Works for so long, in ms. */
function work(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end; );
}

test('each has one turn however often it asked, and none within the call', async () => {
  const turns = new Turns()
  const taken: string[] = []
  const named = (name: string) => ({ turn: () => void taken.push(name) })
  const [a, b, c] = [named('a'), named('b'), named('c')]
  for (const each of [a, b, a, c, a]) turns.ask(each)
  turns.leave(c)
  expect(taken).toEqual([])
  await soon()
  expect(taken).toEqual(['a', 'b'])
})

test('other work comes in between, and who asks within a turn waits for the others', async () => {
  const turns = new Turns()
  const order: string[] = []
  let again = true
  const first = {
    turn() {
      order.push('first')
      work(10)
      if (again) turns.ask(first)
      again = false
    },
  }
  turns.ask(first)
  turns.ask({ turn: () => void order.push('second') })
  // Comes after the first slice.
  setImmediate(() => order.push('other work'))
  while (order.length < 4) await soon()
  expect(order).toEqual(['first', 'other work', 'second', 'first'])
})
