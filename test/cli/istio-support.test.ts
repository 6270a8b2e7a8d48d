import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { istioSupport, PAGE } from '../../scripts/generate-istio-support.ts'
import { checkout } from './weft.ts'

test('the page on the Istio API is what schemas and tests say', () => {
  const { text, rows } = istioSupport()
  const written = readFileSync(join(checkout, PAGE), 'utf8')
  expect(written, `${PAGE} is out of date: run node_modules/.bin/node scripts/generate-istio-support.ts`).toBe(text)
  // That the schemas were walked at all, and fields of lists and maps in them.
  const fields = rows.get('networking.istio.io/VirtualService')?.map(({ field }) => field)
  expect(fields).toEqual(expect.arrayContaining(['http.timeout', 'http.match.headers.*.exact', 'tls.match.sniHosts']))
})
