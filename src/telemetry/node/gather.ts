import { fromBinary } from '@bufbuild/protobuf'
import {
  type handleClientStreamingCall,
  type handleUnaryCall,
  type ServerReadableStream,
  type ServerUnaryCall,
  status,
} from '@grpc/grpc-js'
import { StreamAccessLogsMessageSchema } from '#envoy/service/accesslog/v3/als'
import type { NodeParts } from '../../agent/node/node-agent.ts'
import type { Log } from '../../identity/log.ts'
import { PROXY_PORTS } from '../../resources/cluster-names.ts'
import { PATHS, stream, unary } from '../intake/grpc-services.ts'
import { Scraper } from '../intake/scraper.ts'
import { add, type Measurement } from '../measurements/measurement.ts'
import { encodedMeasurements } from '../measurements/wire.ts'

/** How often the metrics of the node's proxies are read, in ms. */
const SCRAPE_MS = 15_000
/** For how long a token that was good is believed, in ms. */
const BELIEVED_MS = 60_000
/** More series than this that could not be sent yet are let go: the server was away for long, or there are far too many. */
const MOST_WAITING = 20_000

/** Gathers what proxies of a node count, log and trace, and sends it to the server. Nothing waits for it: what cannot be sent is let go. Returns the call that ends it. */
export function gatherTelemetry(node: NodeParts, log: Log): () => void {
  const waiting = new Map<string, Measurement>()
  let failed = false
  const wait = (counted: ReadonlyMap<string, Measurement>) => {
    for (const [key, measurement] of counted) {
      const sum = waiting.get(key)
      if (sum) add(sum, measurement)
      else if (waiting.size < MOST_WAITING) waiting.set(key, measurement)
    }
  }
  const scraper = new Scraper({
    interval: SCRAPE_MS,
    onMeasured: wait,
    onRound() {
      scraper.setTargets(
        Array.from(node.proxies(), ([name, at]) => ({
          name,
          at: typeof at === 'string' ? { host: at, port: PROXY_PORTS.metrics } : at,
        })),
      )
      if (waiting.size === 0) return
      const sent = new Map(waiting)
      waiting.clear()
      send(node, PATHS.measured, encodedMeasurements(sent)).then(
        () => {
          failed = false
        },
        (error: Error) => {
          // It goes with what is counted next.
          wait(sent)
          if (!failed) log('warning', `telemetry cannot be sent to the server: ${error.message}; tries again`)
          failed = true
        },
      )
    },
  })
  addServices(node)
  return () => scraper.close()
}

function addServices(node: NodeParts): void {
  const believed = new Map<string, number>()
  const identify = async (call: Pick<ServerUnaryCall<Buffer, Buffer>, 'metadata' | 'getPeer'>, nodeId?: string) => {
    const bearer = /^Bearer (.+)$/.exec(String(call.metadata.get('authorization')[0] ?? ''))?.[1]
    const now = Date.now()
    for (const [token, until] of believed) if (until < now) believed.delete(token)
    if (nodeId === undefined && bearer !== undefined && believed.has(bearer)) return
    await node.identify({ bearer, peer: call.getPeer(), ...(nodeId === undefined ? {} : { nodeId }) })
    if (bearer !== undefined) believed.set(bearer, now + BELIEVED_MS)
  }
  const spans: handleUnaryCall<Buffer, Buffer> = (call, answer) => {
    identify(call)
      .then(() => send(node, PATHS.spans, call.request))
      .then(
        () => answer(null, Buffer.alloc(0)),
        (error: Error) => answer({ code: status.UNAVAILABLE, details: error.message }),
      )
  }
  node.server.addService({ export: unary(PATHS.spans) }, { export: spans })
  const logs: handleClientStreamingCall<Buffer, Buffer> = (call) => {
    relayLogs(node, call, (nodeId) => identify(call, nodeId)).catch((error: Error) =>
      call.emit('error', { code: status.UNAVAILABLE, details: error.message }),
    )
  }
  node.server.addService({ streamAccessLogs: stream(PATHS.accessLogs) }, { streamAccessLogs: logs })
}

/** Passes a proxy's access logs on as they are; the server looks again whose they are. */
async function relayLogs(
  node: NodeParts,
  call: ServerReadableStream<Buffer, Buffer>,
  identify: (nodeId: string) => Promise<void>,
): Promise<void> {
  let upstream: Awaited<ReturnType<NodeParts['open']>> | undefined
  try {
    for await (const bytes of call as AsyncIterable<Buffer>) {
      if (!upstream) {
        await identify(fromBinary(StreamAccessLogsMessageSchema, bytes).identifier?.node?.id ?? '')
        upstream = await node.open(PATHS.accessLogs)
        // The proxy begins anew when its stream ends: then it says again who it is.
        upstream.on('error', (error: Error) => call.destroy(error))
        upstream.resume()
      }
      // A server that does not keep up is not waited for, nor is memory filled for it.
      if (upstream.writableLength < 4_000_000) upstream.write(bytes)
    }
  } finally {
    upstream?.end()
  }
}

/** One message to the server, and its answer. */
async function send(node: NodeParts, path: string, bytes: Buffer): Promise<void> {
  const upstream = await node.open(path)
  await new Promise<void>((resolve, reject) => {
    upstream
      .on('error', reject)
      .on('data', () => {})
      .on('end', resolve)
    upstream.end(bytes)
  })
}
