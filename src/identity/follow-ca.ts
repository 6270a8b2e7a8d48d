import type { CertificateAuthority } from './ca.ts'
import type { Log } from './log.ts'

/**
 * Takes up what people and other processes change about a certificate authority, until `signal` ends it. What is wrong with a change is told once; until it is right, the CA
 * goes on with what it has.
 * @param everyMs how often to look
 */
export function followCa(ca: CertificateAuthority, everyMs: number, log: Log, signal: AbortSignal): void {
  let told: string | undefined
  let timer: NodeJS.Timeout | undefined
  const look = async () => {
    try {
      await ca.refresh()
      if (told !== undefined) log('info', 'follows its certificate authority again')
      told = undefined
    } catch (error) {
      const { message } = error as Error
      if (message !== told) log('error', `the certificate authority stays as it was: ${message}`)
      told = message
    }
    if (!signal.aborted) timer = setTimeout(look, everyMs).unref()
  }
  timer = setTimeout(look, everyMs).unref()
  signal.addEventListener('abort', () => clearTimeout(timer))
}
