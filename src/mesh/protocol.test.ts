import { expect, test } from 'vitest'
import { protocolNamed, servicePortProtocol } from './protocol.ts'

test.each([
  [{ port: 80, name: 'http' }, 'http'],
  [{ port: 80, name: 'http-web' }, 'http'],
  [{ port: 80, name: 'HTTP2-web' }, 'http2'],
  [{ port: 80, name: 'grpc-web' }, 'grpc-web'],
  [{ port: 80, name: 'grpc-web-v2' }, 'grpc-web'],
  [{ port: 80, name: 'grpc-api' }, 'grpc'],
  [{ port: 80, name: 'httpish' }, 'auto'],
  [{ port: 80, name: '-http' }, 'auto'],
  [{ port: 80, name: '' }, 'auto'],
  [{ port: 80 }, 'auto'],
  [{ port: 443, name: 'tls-in' }, 'tls'],
  [{ port: 443, name: 'https' }, 'https'],
  [{ port: 6379, name: 'redis' }, 'tcp'],
  [{ port: 3306, name: 'db' }, 'tcp'],
  [{ port: 3306, name: 'http-odd' }, 'http'],
  [{ port: 53, name: 'dns', protocol: 'UDP' }, 'udp'],
  [{ port: 80, name: 'tcp', appProtocol: 'http' }, 'http'],
  [{ port: 80, name: 'web', appProtocol: 'kubernetes.io/h2c' }, 'http2'],
  [{ port: 80, name: 'web', appProtocol: 'kubernetes.io/ws' }, 'http'],
  [{ port: 80, name: 'http', appProtocol: 'company.com/own' }, 'http'],
  [{ port: 80, name: 'constructor' }, 'auto'],
] as const)('a port %o carries %s', (port, protocol) => {
  expect(servicePortProtocol(port)).toBe(protocol)
})

test.each([
  ['HTTP', 'http'],
  ['GRPC-Web', 'grpc-web'],
  ['MONGO', 'tcp'],
  ['HTTPS', 'https'],
  ['', 'auto'],
  [undefined, 'auto'],
] as const)('a protocol written %s is %s', (text, protocol) => {
  expect(protocolNamed(text)).toBe(protocol)
})
