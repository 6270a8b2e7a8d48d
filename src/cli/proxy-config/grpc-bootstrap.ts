import { runFile } from '../../agent/supervise/folders.ts'
import { XDS_SOCKET } from '../../resources/cluster-names.ts'
import { proxylessBootstrap } from '../../translate/proxyless/bootstrap.ts'
import { Failure } from '../failure.ts'
import { MachineMesh } from '../machine-mesh.ts'
import type { Mesh } from '../mesh.ts'

/** What an Envoy was started with, as far as it matters here. */
interface Started {
  readonly node?: { readonly id?: string }
  readonly static_resources?: { readonly listeners?: readonly { readonly name?: string }[] }
}

/**
 * What the gRPC libraries of a pod find where `GRPC_XDS_BOOTSTRAP` or `GRPC_XDS_BOOTSTRAP_CONFIG` says.
 * @param started what the pod's Envoy was started with
 * @throws Failure where they find none
 */
export function grpcBootstrap(mesh: Mesh, pod: string, started: unknown): unknown {
  const { node, static_resources } = started as Started
  const [, address = '', name = ''] = node?.id?.split('~') ?? []
  const at = name.lastIndexOf('.')
  const who = { address, pod: name.slice(0, at), namespace: name.slice(at + 1) }
  if (mesh instanceof MachineMesh) return proxylessBootstrap(who, `unix:${runFile(mesh.folders, 'grpcSocket')}`)
  if (!static_resources?.listeners?.some((listener) => listener.name === 'xds'))
    throw new Failure(
      `the gRPC libraries of pod ${pod} have no bootstrap: its proxy makes their calls`,
      'annotate its template with inject.istio.io/templates: grpc-agent',
    )
  return proxylessBootstrap(who, `unix://${XDS_SOCKET}`)
}
