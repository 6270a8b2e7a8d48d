import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeRequest, decodeResponse, encodeRequest, encodeResponse } from './certificate-messages.ts'

test('a request is read as it was written', () => {
  const request = fc.record({
    csr: fc.string(),
    validityDuration: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
    metadata: fc.dictionary(fc.string(), fc.oneof(fc.string(), fc.boolean(), fc.constant(null))),
  })
  fc.assert(
    fc.property(request, (message) => {
      const { metadata, ...rest } = decodeRequest(encodeRequest(message))
      expect(rest).toEqual({ csr: message.csr, validityDuration: message.validityDuration })
      expect(Object.entries(metadata).sort()).toEqual(Object.entries(message.metadata).sort())
    }),
  )
})

test('a response is read as it was written', () => {
  fc.assert(
    fc.property(fc.array(fc.string()), (certChain) => {
      expect(decodeResponse(encodeResponse({ certChain }))).toEqual({ certChain })
    }),
  )
})

test('a request has the bytes of Istio’s message, and what it does not know is skipped', () => {
  const bytes = encodeRequest({ csr: 'abc', validityDuration: 3600, metadata: { a: 'b' } })
  expect(bytes.toString('hex')).toBe('0a03' + '616263' + '18901c' + '220a' + '0a08' + '0a0161' + '1203' + '1a0162')
  const unknown = Buffer.from('12017a' + '2a0179', 'hex')
  expect(decodeRequest(Buffer.concat([unknown, bytes]))).toEqual({
    csr: 'abc',
    validityDuration: 3600,
    metadata: { a: 'b' },
  })
})
