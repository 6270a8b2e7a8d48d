import { expect, test } from 'vitest'
import { condition, statusChanges } from './wanted-status.ts'

const THEN = '2026-01-01T00:00:00Z'
const NOW = '2026-02-01T00:00:00Z'

const written = (type: string) => ({ type, status: 'True', reason: type, message: '', lastTransitionTime: THEN })

test('what had something to say only for a while is taken back, and what others say stays', () => {
  const current = { conditions: ['example.org/Theirs', 'OverlappingTLSConfig', 'Accepted'].map(written) }
  const wanted = { form: 'conditions', generation: 2, conditions: [condition('Accepted', true, 'Accepted')] } as const
  expect(statusChanges(current, wanted, NOW)).toEqual({
    conditions: [written('example.org/Theirs'), { ...written('Accepted'), observedGeneration: 2 }],
  })
})

test('a condition keeps the time since which it holds, and one that holds already is not written again', () => {
  const wanted = { form: 'conditions', generation: 1, conditions: [condition('Accepted', false, 'Why')] } as const
  const changes = statusChanges({ conditions: [written('Accepted')] }, wanted, NOW)
  expect(changes).toMatchObject({ conditions: [{ status: 'False', lastTransitionTime: NOW }] })
  expect(statusChanges(changes, wanted, 'later')).toBeUndefined()
})
