import type { Command } from 'commander'

/** `--kubeconfig` and `--context`, as kubectl has them. */
export function addClusterOptions(command: Command): Command {
  return command
    .option('--kubeconfig <file>', 'which kubeconfig (default: what KUBECONFIG names, else ~/.kube/config)')
    .option('--context <name>', 'which context of the kubeconfig')
}
