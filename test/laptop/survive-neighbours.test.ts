// Others on the same machine: who holds a port, who kills `weft up` before it is up.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Server } from 'node:net'
import process from 'node:process'
import { afterEach, expect, test } from 'vitest'
import { readMeshSettings } from '../../src/agent/supervise/mesh-settings.ts'
import { checkCalls, deployment, echoMesh, TO_BACK } from './echo-mesh.ts'
import { launchMesh, startMesh, type TestMesh, until } from './mesh.ts'
import { underLoad } from './under-load.ts'

const others: Server[] = []
afterEach(() => {
  for (const other of others.splice(0)) other.close()
})

/** Listens on a port of all addresses of this machine that nobody has, as other programs do. */
function takePort(): Promise<number> {
  const server = createServer((socket) => socket.destroy())
  others.push(server)
  return new Promise((resolve, reject) => {
    server.on('error', reject)
    server.listen(0, '0.0.0.0', () => resolve((server.address() as AddressInfo).port))
  })
}

/** Places in a block of addresses at which somebody listens. */
function listenersIn(block: number): string[] {
  const end = `${block.toString(16).padStart(2, '0')}7F`.toUpperCase()
  return readFileSync('/proc/net/tcp', 'utf8')
    .trim()
    .split('\n')
    .slice(1)
    .map((row) => row.trim().split(/\s+/))
    .filter(([, local = '', , state]) => state === '0A' && local.slice(4, 8) === end)
    .map(([, local = '']) => local)
}

/** No process, no port, no socket. Of a mesh that was killed before it had any process a file may stay, until the next one. */
function nothingLeft(mesh: TestMesh, block: number | undefined): boolean {
  const files = existsSync(mesh.run) ? readdirSync(mesh.run, { withFileTypes: true, recursive: true }) : []
  const sockets = files.filter((file) => file.isSocket())
  return mesh.processes().length + sockets.length + (block === undefined ? 0 : listenersIn(block).length) === 0
}

test('a port that somebody else has is named, with who has it, and nothing is left of the try', async () => {
  const port = await takePort()
  const texts = Object.entries(echoMesh()).map(([name, text]) => [name, text.replaceAll('8080', `${port}`)])
  const mesh = await launchMesh({ texts: Object.fromEntries(texts) })
  const said = await mesh.line(new RegExp(`port ${port}`), 30_000)
  expect(said).toMatch(new RegExp(`port ${port}, which pod \\S+ needs, is taken by process ${process.pid} `))
  expect(await mesh.exited).toBe(1)
  expect(mesh.output.join('\n')).not.toMatch(/^\s+at /m)
  expect(nothingLeft(mesh, undefined)).toBe(true)
  await mesh.dispose()
})

test('a port that somebody takes later is told when a pod wants it, and what runs goes on', async () => {
  await using mesh = await startMesh({ texts: echoMesh() })
  const port = await takePort()
  const other = deployment({ app: 'other' }).replaceAll('8080', `${port}`)
  await underLoad(mesh, TO_BACK, checkCalls(), async (load) => {
    const from = mesh.output.length
    await mesh.write('other.yaml', other)
    expect(await mesh.line(new RegExp(`port ${port}`), 30_000, from)).toContain(`is taken by process ${process.pid}`)
    await load.more(20)
    await mesh.remove('other.yaml')
  })
})

// Ever later, and each time somewhere else: no process yet, the server starting, pods starting.
test.for([/✓ Envoy/, 150, 600, 1500, 3000])('killed at %s while it starts, it leaves nothing behind', async (when) => {
  const mesh = await launchMesh({ texts: echoMesh() })
  await mesh.line(/✓ Envoy/)
  if (typeof when === 'number') await new Promise((resolve) => setTimeout(resolve, when))
  const block = readMeshSettings(mesh)?.block
  mesh.process.kill('SIGKILL')
  await mesh.exited
  await until(30_000, () => nothingLeft(mesh, block))
  await mesh.dispose()
})
