import { expect, test } from 'vitest'
import { staticCluster } from '../../test/xds/small-resources.ts'
import { PersistentMap } from '../store/persistent-map.ts'
import type { EncodedResource } from '../translate/encoded-resource.ts'
import { differences, type Layers, sameLayers } from './layers.ts'

const layer = (...resources: EncodedResource[]) => PersistentMap.from(resources.map((each) => [each.name, each]))
const [a, b, c, newA] = [staticCluster('a'), staticCluster('b'), staticCluster('c'), staticCluster('a', 2000)]

/** `name was>is`, by the timeouts that make versions differ. */
function told(before: Layers, after: Layers): string[] {
  const text = (resource: EncodedResource | undefined) =>
    [a, b, c].includes(resource as EncodedResource) ? 'old' : resource ? 'new' : '-'
  return differences(before, after)
    .map(({ name, was, is }) => `${name} ${text(was)}>${text(is)}`)
    .sort()
}

test.each<[string, Layers, Layers, string[]]>([
  ['nothing where all is the same', [layer(a), layer(b)], [layer(a), layer(b)], []],
  [
    'what came, changed and went in a layer',
    [layer(a, b), layer()],
    [layer(newA, c), layer()],
    ['a old>new', 'b old>-', 'c ->old'],
  ],
  ['the same of several layers', [layer(a), layer(b)], [layer(newA), layer(c)], ['a old>new', 'b old>-', 'c ->old']],
  [
    'what moved to another layer, once and as it is',
    [layer(a, b), layer(c)],
    [layer(b), layer(newA, c)],
    ['a old>new'],
  ],
  ['what moved and is the same as that', [layer(a), layer(b)], [layer(), layer(a, b)], ['a old>old']],
  ['a layer that is new', [layer(a)], [layer(a), layer(b)], ['b ->old']],
  ['a layer that is gone', [layer(a), layer(b)], [layer(a)], ['b old>-']],
])('differences tell %s', (_, before, after, expected) => {
  expect(told(before, after)).toEqual(expected)
})

test('layers are the same where they are the same maps in the same order', () => {
  const [one, other] = [layer(a), layer(b)]
  expect(sameLayers([one, other], [one, other])).toBe(true)
  expect([sameLayers([one, other], [other, one]), sameLayers([one], [one, other])]).toEqual([false, false])
})
