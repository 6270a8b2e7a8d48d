import { connect } from 'node:net'
import { join } from 'node:path'
import { requireApprovedCryptography } from '../../identity/approved-cryptography.ts'
import { logToStderr } from '../../identity/log.ts'
import { serverAddress } from '../../sources/local-cluster/addresses.ts'
import { NODE_NAME } from '../../sources/local-cluster/pod-plan.ts'
import { Agent } from '../agent.ts'
import type { MeshFolders } from './folders.ts'
import { endWithParent } from './leftovers.ts'
import type { FromAgent, ToAgent } from './local-mesh.ts'
import { CERTIFICATES_PORT, type MeshSettings } from './mesh-settings.ts'

/** The agent of a local mesh as a child of `weft up`, which tells it of pods and gives it join tokens. */
export async function runLocalAgent(folders: MeshFolders, settings: MeshSettings): Promise<void> {
  endWithParent(folders, settings.run)
  if (settings.fips) requireApprovedCryptography()
  const host = serverAddress(settings.block)
  await whenListening(host, CERTIFICATES_PORT)
  const ask = (message: FromAgent) => process.send?.(message)
  let tokenWanted: ((token: string) => void)[] = []
  const agent = new Agent({
    node: NODE_NAME,
    server: {
      address: `${host}:${CERTIFICATES_PORT}`,
      trustDomain: settings.trustDomain,
      trustBundleFile: join(folders.state, 'ca', 'trust-bundle.pem'),
    },
    joinToken: () =>
      new Promise((resolve) => {
        tokenWanted.push(resolve)
        ask('token')
      }),
  })
  process.on('message', (message: ToAgent) => {
    if ('token' in message) {
      for (const give of tokenWanted) give(message.token)
      tokenWanted = []
    } else {
      agent.setPods(message.pods).catch((error: Error) => logToStderr('error', error.message))
    }
  })
  process.on('SIGTERM', () => void agent.close().finally(() => process.exit(0)))
  ask('ready')
}

const LOOK_MS = 20

/** Resolves when somebody listens there. Both start together: to fail first and back off would cost a second or more. */
function whenListening(host: string, port: number): Promise<void> {
  return new Promise((resolve) => {
    const look = () => {
      const socket = connect({ host, port })
      socket.on('connect', () => {
        socket.destroy()
        resolve()
      })
      socket.on('error', () => setTimeout(look, LOOK_MS))
    }
    look()
  })
}
