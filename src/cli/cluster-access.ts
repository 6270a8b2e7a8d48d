import { ApiServer, type ClusterAccess } from '../sources/kubernetes/api-server.ts'
import { Failure } from './failure.ts'

/** The API server that the options name. @throws Failure where there is none */
export function apiServer({ kubeconfig, context }: ClusterAccess): ApiServer {
  try {
    return new ApiServer({
      ...(kubeconfig === undefined ? {} : { kubeconfig }),
      ...(context === undefined ? {} : { context }),
    })
  } catch (error) {
    throw new Failure((error as Error).message, 'name a cluster with --kubeconfig and --context')
  }
}
