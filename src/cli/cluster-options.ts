import type { Command } from 'commander'
import { ApiServer, type ClusterAccess } from '../sources/kubernetes/api-server.ts'
import { Failure } from './failure.ts'

/** `--kubeconfig` and `--context`, as kubectl has them. */
export function addClusterOptions(command: Command): Command {
  return command
    .option('--kubeconfig <file>', 'which kubeconfig (default: what KUBECONFIG names, else ~/.kube/config)')
    .option('--context <name>', 'which context of the kubeconfig')
}

/** The API server that the options name. @throws Failure where there is none */
export function apiServer({ kubeconfig, context }: ClusterAccess): ApiServer {
  try {
    const server = new ApiServer({
      ...(kubeconfig === undefined ? {} : { kubeconfig }),
      ...(context === undefined ? {} : { context }),
    })
    return server
  } catch (error) {
    throw new Failure((error as Error).message, 'name a cluster with --kubeconfig and --context')
  }
}
