import { expect, test } from 'vitest'
import { staticCluster } from '../../test/xds/small-resources.ts'
import { LastGood } from './last-good.ts'

test('what one proxy goes on with is known to others that refuse the same version, and only that', () => {
  const lastGood = new LastGood()
  const [good, bad, other] = [staticCluster('a', 1), staticCluster('a', 2), staticCluster('a', 3)]
  lastGood.refused(bad, good)
  expect(lastGood.insteadOf(bad)).toBe(good)
  // Of another workload, or newer.
  expect(lastGood.insteadOf(other)).toBeUndefined()
  // Those that hold nothing, or what they brought along, make nothing known.
  lastGood.refused(bad, undefined)
  lastGood.refused(bad, 'version-from-elsewhere')
  expect(lastGood.insteadOf(bad)).toBe(good)
})

test('no more is remembered than is ever of use', () => {
  const lastGood = new LastGood()
  const refused = Array.from({ length: 1001 }, (_, i) => staticCluster(`c${i}`, 2))
  for (const bad of refused) lastGood.refused(bad, staticCluster(bad.name))
  expect(refused.filter((bad) => lastGood.insteadOf(bad) === undefined)).toEqual([refused[0]])
})
