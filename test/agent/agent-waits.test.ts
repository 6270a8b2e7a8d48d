import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { openCa } from '../../src/identity/ca.ts'

const WEFT = fileURLToPath(new URL('../../bin/weft.js', import.meta.url))

test('the agent of a node tries to join for as long as it takes', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'weft-agent-waits-'))
  const ca = await openCa(join(folder, 'ca'), { log: () => {} })
  writeFileSync(join(folder, 'root-cert.pem'), ca.trustBundlePem)
  writeFileSync(join(folder, 'token'), 'a token')
  const attempts = Promise.withResolvers<'tries again'>()
  let left = 3
  const server = createServer((socket) => {
    socket.destroy()
    left -= 1
    if (left === 0) attempts.resolve('tries again')
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`
  const kubeconfig = join(folder, 'kubeconfig')
  const context = { name: 'none', context: { cluster: 'none', user: 'none' } }
  writeFileSync(
    kubeconfig,
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'none',
      clusters: [{ name: 'none', cluster: { server: `https://${address}` } }],
      users: [{ name: 'none', user: {} }],
      contexts: [context],
    }),
  )
  const args = ['--node', 'n', '--host', '127.0.0.1', '--server', address, '--identity-folder', folder]
  const agent = spawn(process.execPath, [WEFT, 'agent', ...args, '--kubeconfig', kubeconfig], { stdio: 'ignore' })
  const exited = once(agent, 'exit').then(([code]) => `exited with ${code}`)
  try {
    expect(await Promise.race([attempts.promise, exited])).toBe('tries again')
  } finally {
    agent.kill('SIGKILL')
    await exited
    server.close()
    rmSync(folder, { recursive: true })
  }
})
