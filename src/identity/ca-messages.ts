import type { Message } from '../resources/message.ts'
import type { CertificateAuthority } from './ca.ts'

/** What is said of what signs the mesh's certificates: for the reference of messages. */
export const CA_RULES = {
  'self-made-root':
    "The root that vouches for every identity was made by Weft, and its key lies beside the intermediate's: not for production.",
  'authority-ends':
    'A certificate of the authority that signs for the mesh ends soon, and Weft cannot renew it by itself.',
} as const

const DAY_MS = 86_400_000
/** A root is nothing that can be had in a day. */
const ROOT_NOTICE_MS = 365 * DAY_MS

/**
 * What to tell people of the certificate authority.
 * @param selfMade how grave a root is that Weft made: undefined says nothing of it
 * @param now ms since the epoch
 */
export function caMessages(ca: CertificateAuthority, selfMade: 'info' | 'warning' | undefined, now: number): Message[] {
  const { root, intermediate } = ca.authorities
  const ends = (what: string, end: Date): Message => ({
    rule: 'authority-ends',
    severity: end.getTime() <= now ? 'error' : 'warning',
    problem: `the ${what} of the mesh ${end.getTime() <= now ? 'ended' : 'ends'} on ${end.toISOString().slice(0, 10)}`,
    remedy: `have another one signed, with weft ca csr and weft ca install${what === 'root' ? ', and go over to it with weft ca rotate --root' : ''}`,
  })
  return [
    ...(ca.selfMade && selfMade
      ? [
          {
            rule: 'self-made-root',
            severity: selfMade,
            problem: `the root of the mesh was made by Weft, and its key lies beside the intermediate's: whoever takes it can be anybody`,
            remedy:
              'have an intermediate signed by a root that is kept elsewhere, with weft ca csr and weft ca install, and go over to it with weft ca rotate --root',
          },
        ]
      : []),
    ...(root.notAfter.getTime() - now < ROOT_NOTICE_MS ? [ends('root', root.notAfter)] : []),
    // One that can be renewed is, when it has this long left.
    ...(intermediate &&
    intermediate.notAfter.getTime() - now < (intermediate.notAfter.getTime() - intermediate.notBefore.getTime()) / 4
      ? [ends('intermediate', intermediate.notAfter)]
      : []),
  ]
}
