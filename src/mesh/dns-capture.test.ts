import { expect, test } from 'vitest'
import { asksForDnsCapture } from './dns-capture.ts'

test.each([
  [{}, false],
  [{ 'weft.dev/dns-capture': 'true' }, true],
  [
    { 'weft.dev/dns-capture': 'false', 'proxy.istio.io/config': 'proxyMetadata: { ISTIO_META_DNS_CAPTURE: "true" }' },
    false,
  ],
  [{ 'proxy.istio.io/config': 'proxyMetadata: { ISTIO_META_DNS_CAPTURE: "true" }' }, true],
  [{ 'proxy.istio.io/config': '{"proxyMetadata":{"ISTIO_META_DNS_CAPTURE":"false"}}' }, false],
  [{ 'proxy.istio.io/config': 'concurrency: 2' }, false],
  [{ 'proxy.istio.io/config': ': no { yaml' }, false],
])('annotations %j ask for it: %s', (annotations, asked) => {
  expect(asksForDnsCapture(annotations)).toBe(asked)
})
