import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { readImageMap } from './image-map.ts'
import { imageName } from './image-name.ts'

test.each([
  ['redis', 'docker.io/library/redis'],
  ['redis:7', 'docker.io/library/redis'],
  ['istio/x:1', 'docker.io/istio/x'],
  ['docker.io/istio/x:1', 'docker.io/istio/x'],
  ['docker.io/redis', 'docker.io/library/redis'],
  ['registry.example.com/shop/cart', 'registry.example.com/shop/cart'],
  ['localhost/cart:dev', 'localhost/cart'],
  ['host:5000/x', 'host:5000/x'],
  ['host:5000/x@sha256:0123', 'host:5000/x'],
  ['host:5000/x:1@sha256:0123', 'host:5000/x'],
])('%s is %s', (reference, name) => expect(imageName(reference)).toBe(name))

const samples = fileURLToPath(new URL('../../../samples/images.yaml', import.meta.url))

test('reads the map of the samples', () => {
  const reviews = readImageMap(samples).get('docker.io/istio/examples-bookinfo-reviews-v3')
  expect(reviews).toEqual({
    command: ['node', 'bookinfo/reviews.ts'],
    folder: dirname(samples),
    env: { SERVICE_VERSION: 'v3', ENABLE_RATINGS: 'true', STAR_COLOR: 'red' },
  })
})

test.each([
  ['images: [', 'is no image map'],
  ['programs: {}', 'no field `images`'],
  ['images: {a: node}', 'images.a must be an object'],
  ['images: {a: {command: node x.js}}', 'images.a.command must be a list'],
  ['images: {a: {command: [node], environment: {}}}', 'images.a.environment is not known'],
  ['images: {a: {command: [node], env: {DEBUG: true}}}', 'images.a.env must be an object of strings'],
])('refuses %s', (text, problem) => {
  const folder = mkdtempSync(join(tmpdir(), 'weft-images-'))
  try {
    writeFileSync(join(folder, 'images.yaml'), text)
    expect(() => readImageMap(join(folder, 'images.yaml'))).toThrow(problem)
  } finally {
    rmSync(folder, { recursive: true })
  }
})
